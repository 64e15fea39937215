"""Tables and JSON on stdout."""

from __future__ import annotations

import json
import math
from typing import Any

import click


def comparison_lines(table: Any) -> list[str]:
    """Lay a comparison out in columns, with what it was measured on above it."""
    attrs = table.attrs
    level = f"{100 * attrs['level']:g} % coverage" if attrs.get("level") else "coverage"
    headers = ["method", "MAE", "RMSE", "MASE", "sMAPE", level, "skill"]
    rows = [
        [row["method"], *(_number(row[name]) for name in ("MAE", "RMSE", "MASE")), f"{row['sMAPE']:.2f}"]
        + [_share(row["coverage"]), _share(row["skill"], signed=True)]
        for row in table.to_dict("records")
    ]
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    season = f"season {attrs['season']}" if attrs["season"] > 1 else "no season"
    left_out = f", {attrs['missing']:,} missing ones left out" if attrs["missing"] else ""
    left_out += f"; {attrs['constant']:,} of constant series not in MASE" if attrs["constant"] else ""
    title = (
        f"Held-out rows: {attrs['points']:,} values in {attrs['windows']:,} windows over {attrs['series']:,} series"
        f"{left_out}; MASE by {season}, sMAPE 0-200, skill against the best baseline."
    )
    return [title, *(_line(cells, widths) for cells in (headers, *rows))]


def frame_records(frame: Any) -> list[dict[str, Any]]:
    """Return a table's rows as dicts that JSON holds; missing values become null."""
    return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(_clean(document), indent=2, ensure_ascii=False))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True)))
    return "  ".join([first, *others]).rstrip()


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _share(value: float, signed: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"
