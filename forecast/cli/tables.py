"""Tables and JSON on stdout."""

from __future__ import annotations

import json
import math
from typing import Any

import click


def comparison_lines(table: Any, rows: str = "Held-out rows") -> list[str]:
    """Lay a comparison out in columns, with what it was measured on above it.

    Args:
        table: From ``evaluation.comparison.compare``.
        rows: What it was measured on.
    """
    attrs = table.attrs
    level = f"{100 * attrs['level']:g} % coverage" if attrs.get("level") else "coverage"
    headers = ["method", "MAE", "RMSE", "MASE", "sMAPE", level, "skill"]
    cells = [_cells(row) for row in table.to_dict("records")]
    widths = [max(len(cell) for cell in column) for column in zip(headers, *cells, strict=True)]
    return [f"{rows}: {_measured_on(attrs)}", *(_line(line, widths) for line in (headers, *cells))]


def _cells(row: dict[str, Any]) -> list[str]:
    errors = [_number(row[name]) for name in ("MAE", "RMSE", "MASE")]
    shares = [_share(row["coverage"]), _share(row["skill"], signed=True)]
    return [str(row["method"]), *errors, _number(row["sMAPE"], ".2f"), *shares]


def _measured_on(attrs: dict[str, Any]) -> str:
    season = f"season {attrs['season']}" if attrs["season"] > 1 else "no season"
    left_out = f", {attrs['missing']:,} missing ones left out" if attrs["missing"] else ""
    left_out += f"; {attrs['constant']:,} of constant series not in MASE" if attrs["constant"] else ""
    return (
        f"{_many(attrs['points'], 'value')} in {_many(attrs['windows'], 'window')} of "
        f"{_many(attrs['series'], 'series', 'series')}{left_out}; MASE by {season}, sMAPE 0-200, skill against the "
        "best baseline."
    )


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def frame_records(frame: Any) -> list[dict[str, Any]]:
    """Return a table's rows as dicts that JSON holds; missing values become null."""
    return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(_clean(document), indent=2, ensure_ascii=False, allow_nan=False))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    # What is missing or infinite has no number in JSON; NaN and NaT are not equal to themselves.
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value != value:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()


def _number(value: float, form: str = ".4g") -> str:
    return "–" if math.isnan(value) else f"{value:{form}}"


def _share(value: float, signed: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"
