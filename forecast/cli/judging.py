"""``forecast detect --labels``: what labelled events are, and how the table of measures is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forecast.cli.options import READING
from forecast.cli.sections import option, section
from forecast.cli.tables import columns, frame_records
from forecast.cli.values import whole
from forecast.errors import InputError, ParameterError

labels_options = section(
    "Labels",
    option(
        "--labels",
        metavar="FILE|COLUMN",
        help="Events to measure by: a table with start, end, and the id; or a column of TABLE that is 1 in events.",
    ),
    option(
        "--tolerance",
        type=whole(0),
        default=0,
        metavar="ROWS",
        help="Around an event within which an alarm is true.",
    ),
)

# Measures that stand in one block, under short names.
_BLOCKS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("false alarms per 1,000 rows", "false/1,000 rows"),
        ("false alarms per day", "false/day"),
        ("delay", "delay, rows"),
    ),
    (("NAB", "NAB"), ("NAB low FP", "NAB low FP"), ("NAB low FN", "NAB low FN")),
    (("VUS-PR", "VUS-PR"), ("VUS-ROC", "VUS-ROC")),
    (
        ("affiliation precision", "affiliation P"),
        ("affiliation recall", "affiliation R"),
        ("range precision", "range P"),
        ("range recall", "range R"),
    ),
)


class Labels:
    """The labels of ``--labels``: a file of events, or a column of the table.

    Args:
        asked: What was given, None for no labels.
        source: The table.
        options: Of the command, as long as they hold how the table is read.

    Raises:
        InputError: It is neither.
    """

    def __init__(self, asked: str | None, source: str, options: dict[str, Any]):
        self.asked, self.source = asked, source
        self.reading = {name: options[name] for name in READING}
        self.snapped = bool(options["snap"])
        self.column = asked is not None and not Path(asked).is_file()
        if self.column:
            self._check_column()

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns of the table that nothing is to be learned from."""
        return (str(self.asked),) if self.column else ()

    def events(self, panel: Any, first: Any) -> Any:
        """Return the events of each series, None without labels.

        Args:
            panel: The table's rows.
            first: Those that are learned from.

        Raises:
            InputError: They make no sense, or none lies behind the rows that are learned from.
        """
        if self.asked is None:
            return None
        from forecast.estimators.contract import Contract
        from forecast.estimators.truth import check_counted, read_labelled

        contract = Contract(panel.columns, panel.step, tuple(self.reading.items()), self.snapped)
        _, events = read_labelled(contract, self.source if self.column else panel, self.asked)
        check_counted(events, first.lengths)
        return events

    def _check_column(self) -> None:
        from forecast.data.table import column_names

        if self.source == "-":
            raise InputError(
                f"There is no file {self.asked}; a column of labels needs a TABLE that is a file."
            )
        if self.reading["layout"] == "wide":
            raise ParameterError("--labels COLUMN does not go with --layout wide; give a file of events.")
        form = ("delimiter", "decimal", "encoding", "header", "lenient")
        if self.asked not in column_names(self.source, **{name: self.reading[name] for name in form}):
            raise InputError(f"--labels {self.asked} is neither a file nor a column of {self.source}.")


def judged_lines(table: Any) -> list[str]:
    """Lay measures out in blocks of columns, with what they were measured on above them.

    Args:
        table: From ``Detector.evaluate``.
    """
    attrs = table.attrs
    methods = list(dict.fromkeys(table["method"]))
    cells = {(r["method"], r["measure"]): r for r in table.to_dict("records")}
    drawn = bool(table["low"].notna().any())
    first = ["method", "threshold", "alarms", "precision", "recall", "F1"]
    better = [f"F1 above {attrs['reference']}"] if drawn else []
    rows = [
        [
            name,
            cells[name, "F1"]["threshold"],
            f"{cells[name, 'alarms']['value']:,.0f}",
            *(_cell(cells[name, measure]) for measure in first[3:]),
            *([_percent(cells[name, "F1"]["better"])] if drawn else []),
        ]
        for name in methods
    ]
    lines = [*_heading(attrs), *columns([*first, *better], rows)]
    # Without intervals there is room for two blocks side by side.
    blocks = _BLOCKS if drawn else (_BLOCKS[0] + _BLOCKS[1], _BLOCKS[2] + _BLOCKS[3])
    for block in blocks:
        told = [[name, *(_cell(cells[name, measure]) for measure, _ in block)] for name in methods]
        lines += ["", *columns(["method", *(short for _, short in block)], told)]
    return lines


def judged_document(table: Any) -> dict[str, Any]:
    """Return measures, and what they were measured on, for programs; nothing without labels."""
    return {} if table is None else {"evaluation": frame_records(table), "measured_on": table.attrs}


def _heading(attrs: dict[str, Any]) -> list[str]:
    before = f" ({attrs['before']:,} more in the rows learned from)" if attrs["before"] else ""
    near = f"{attrs['tolerance']:,} row{'' if attrs['tolerance'] == 1 else 's'}"
    series = f"{attrs['series']:,} series"
    return [
        f"{attrs['events']:,} labelled event{'' if attrs['events'] == 1 else 's'}{before}, {attrs['rows']:,} rows of "
        f"{series} watched; an alarm within {near} of an event is true; VUS window {attrs['window']:,} rows.",
        f"Intervals: {attrs['interval']}. Random: mean of {attrs['random draws']:,} draws of as many alarms.",
    ]


def _cell(row: dict[str, Any]) -> str:
    value = _number(row["value"])
    return value if row["low"] != row["low"] else f"{value} ({_number(row['low'])} to {_number(row['high'])})"


def _number(value: float) -> str:
    if value != value:
        return "–"
    if 0 < abs(value) < 0.01:
        return f"{value:.1g}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}"


def _percent(value: float) -> str:
    return "–" if value != value else f"{100 * value:.0f} %"
