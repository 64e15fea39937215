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
    return [f"{rows}: {_measured_on(attrs)}", *columns(headers, cells)]


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


def summary_lines(table: Any) -> list[str]:
    """Lay the summary of a backtest out in columns, with what it was measured on above it.

    Args:
        table: From ``evaluation.summary.summarise``.
    """
    attrs = table.attrs
    criterion = attrs["criterion"]
    spread = ["± seeds"] if attrs["seeds"] > 1 else []
    level = f"{100 * attrs['level']:g} % coverage" if attrs.get("level") else "coverage"
    headers = [
        "method",
        criterion,
        "95 % interval",
        *spread,
        "skill",
        "interval",
        "p",
        "MAE",
        "RMSE",
        "sMAPE",
    ]
    rows = []
    for row in table.to_dict("records"):
        seeds = [_number(row["deviation"])] if spread else []
        skills = [
            _share(row["skill"], signed=True),
            _range(100 * row["skill_low"], 100 * row["skill_high"], "+.0f"),
        ]
        errors = [_number(row["MAE"]), _number(row["RMSE"]), _number(row["sMAPE"], ".2f")]
        rows.append([str(row["method"]), _number(row[criterion]), _range(row["low"], row["high"], ".3g"), *seeds,
                     *skills, _p(row["p_value"]), *errors, _share(row["coverage"]),
                     _number(row["fit_seconds"], ".1f")])  # fmt: skip
    return [_tested_on(attrs), *columns([*headers, level, "fit s"], rows)]


def leaderboard_lines(table: Any, metric: str, most: int = 10) -> list[str]:
    """Lay the first trials of a search out in columns; settings that no trial changed are left out."""
    known = ("trial", "windows", metric, "fit_seconds", "predict_seconds", "error")
    settings = [name for name in table.columns if name not in known]
    rows = []
    for row in table.head(most).to_dict("records"):
        values = ["–" if row[name] is None or row[name] != row[name] else str(row[name]) for name in settings]
        score = _number(row[metric]) if not row["error"] else "failed"
        times = [_number(row["fit_seconds"], ".1f"), _number(row["predict_seconds"], ".2f")]
        who = "default" if row["trial"] == 0 else str(row["trial"])
        rows.append([who, str(row["windows"]), score, *times, *values])
    more = [f"… and {len(table) - most} more"] if len(table) > most else []
    return [*columns(["trial", "windows", metric, "fit s", "predict s", *settings], rows), *more]


def coverage_lines(table: Any) -> list[str]:
    """Lay the realised coverage of a backtest's intervals out in columns."""
    rows = [
        [str(r["method"]), _share(r["asked"]), _share(r["coverage"]), _number(r["width"]), f"{r['count']:,}"]
        for r in table.to_dict("records")
    ]
    return columns(["intervals", "asked", "reached", "width", "values"], rows)


def _tested_on(attrs: dict[str, Any]) -> str:
    season = f"season {attrs['season']}" if attrs["season"] > 1 else "no season"
    counts = {
        "missing": "missing",
        "unforecast": "without a forecast",
        "constant": "of constant history (not in MASE)",
    }
    left_out = [f"{attrs[key]:,} {words}" for key, words in counts.items() if attrs.get(key)]
    if attrs.get("new_series"):
        left_out.append(f"{_many(attrs['new_series'], 'window')} of series without a history")
    told = f" Left out: {', '.join(left_out)}." if left_out else ""
    return (
        f"Out of sample: {_many(attrs['points'], 'value')} in {_many(attrs['windows'], 'window')} of "
        f"{_many(attrs['series'], 'series', 'series')}; MASE by {season}; skill and p (Diebold-Mariano over "
        f"{attrs['test']}) against {attrs['baseline']}.{told}"
    )


def columns(headers: list[str], rows: list[list[str]]) -> list[str]:
    """Lay cells out in columns, the first to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    return [_line(line, widths) for line in (headers, *rows)]


def _range(low: float, high: float, form: str) -> str:
    if low < -999:
        # Against a rival that is nearly perfect in some draws, a loss has no bound worth printing.
        return f"<-999 to {high:{form}}"
    return "–" if math.isnan(low) else f"{low:{form}} to {high:{form}}"


def json_lines(frame: Any) -> str:
    """Return a table as JSON lines, each row an object; nothing for None."""
    rows = [] if frame is None else frame_records(frame)
    return "".join(json.dumps(_clean(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def event_lines(table: Any, most: int = 20) -> list[str]:
    """Lay events out in columns, the latest if there are many.

    Args:
        table: From a detector.
        most: How many.
    """
    if not len(table):
        return ["No events."]
    known = ("rows", "severity", "p_value", "channel", "kind", "horizon")
    first = [
        name for name in table.columns if name not in (*known, "actual", "expected", "lower", "upper", "open")
    ]
    first = [name for name in first if name not in ("raised", "peak", "end")]
    headers = [*first, "rows", "evidence", "p", "carried by", "actual", "expected"]
    cells = []
    for row in table.tail(most).to_dict("records"):
        carried = (
            f"{row['channel']}: {row['kind']} of {row['horizon']} row{'s' if row['horizon'] > 1 else ''}"
        )
        between = f"{_number(row['lower'])} to {_number(row['upper'])}"
        if math.isnan(row["lower"]) and math.isnan(row["upper"]):
            between = _number(row["expected"])
        cells.append(
            [str(row[name]) for name in first]
            + [f"{row['rows']:,}", f"{row['severity']:.1f}", f"{row['p_value']:.2g}", carried]
            + [_number(row["actual"]), between]
        )
    more = [f"… and {len(table) - most:,} before these"] if len(table) > most else []
    return [*columns(headers, cells), *more]


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


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else _number(value, ".3f")


def _share(value: float, signed: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"
