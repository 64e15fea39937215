"""Compose the report of a fitted forecaster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from forecast import __version__
from forecast.errors import InputError, ParameterError
from forecast.estimators.forecaster import Forecaster
from forecast.report.diagrams import plot_reactions
from forecast.report.html import Block, Mark, Marks, Page, Section, Text, picture, render
from forecast.reporting.ahead import forecast_section
from forecast.reporting.calibration import calibration_section
from forecast.reporting.making import choices_section, training_section
from forecast.reporting.material import Material
from forecast.reporting.rivals import methods_section
from forecast.reporting.rows import data_section
from forecast.reporting.wording import level, many, number, share
from forecast.storage import check_writable, write_atomic


def write_report(model: Forecaster, path: Any, table: Any = None, *, title: str | None = None) -> None:
    """Write a page that shows a fitted forecaster: data, choices, training, forecast, comparison, audit.

    The page is one file that loads nothing from elsewhere. An existing file is replaced whole or not at all.

    Args:
        model: A fitted forecaster.
        path: File to write; its name must end in ``.html``.
        table: A table with the columns of training, best with newer rows: forecasts then continue it, and
            methods and intervals are judged on the newer rows. None takes what is stored with the model.
        title: Heading of the page; None means the names of the targets.

    Raises:
        InputError: The name does not end in ``.html``, the folder cannot be written to, or the table cannot be
            read.

    Example:
        >>> import forecast, tempfile
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=6, units=2, epochs=1, preset="fast").fit(table)
        >>> path = Path(tempfile.mkdtemp()) / "air.html"
        >>> write_report(model, path)
        >>> path.read_text(encoding="utf-8").startswith("<!doctype html>")
        True
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: a report is a web page; give a name that ends in .html.")
    check_writable(path)
    write_atomic(path, render(report_page(model, table, title=title)).encode("utf-8"))


def report_page(model: Forecaster, table: Any = None, *, title: str | None = None) -> Page:
    """Compose the page that ``write_report`` writes; the arguments are the same."""
    if not isinstance(model, Forecaster):
        raise ParameterError(f"A report shows a Forecaster; got a {type(model).__name__}.")
    check_is_fitted(model)
    material = Material(model, table)
    sections = (
        data_section(material),
        choices_section(material),
        training_section(material),
        forecast_section(material),
        methods_section(material),
        calibration_section(material),
        audit_section(material),
    )
    return Page(
        title=", ".join(material.fitted.contract.columns.target) if title is None else title,
        lead=_lead(material),
        cards=_cards(material),
        sections=sections,
        footer=f"Written by forecast {__version__}. This page is complete: nothing is loaded from elsewhere.",
    )


def audit_section(material: Material) -> Section:
    """List what the audit found, worst first, and draw what the forecasts react to."""
    found = material.audit
    marks = tuple(Mark(f.severity, f.check, f.message, f.remedy) for f in found.findings)
    blocks: list[Block] = [Text(found.summary()), Marks(marks)]
    reactions = found.reactions
    if reactions is not None and reactions.matrix.size:
        figure = plot_reactions(reactions.matrix, reactions.lags, range(1, reactions.steps + 1), title="")
        caption = (
            "How far each step moves when one row is moved by 1, a white cell not at all: every step should react to "
            "the newest row, lag 1. The colour follows the square root."
        )
        blocks.append(picture(figure, "Which forecast steps react to which rows", caption))
    return Section("audit", "Audit", tuple(blocks))


def _lead(material: Material) -> str:
    judgement = material.judgement
    if judgement is not None and material.unseen:
        from forecast.evaluation.comparison import verdict

        return f"On {judgement.rows}: {verdict(judgement.table)}"
    return material.model.verdict_


def _cards(material: Material) -> tuple[tuple[str, str], ...]:
    fitted, audit = material.fitted, material.audit
    cards = [
        ("series", f"{len(fitted.history):,}"),
        ("rows trained on", f"{fitted.rows:,}"),
        ("forecast", f"{many(fitted.setting.horizon, 'row')}, step {fitted.contract.step}"),
    ]
    table = material.judged
    if table is not None and material.method in set(table["method"]):
        row = table.set_index("method").loc[material.method]
        cards.append(
            (f"{table.attrs['criterion']} of {material.method}", number(float(row[table.attrs["criterion"]])))
        )
        if table.attrs.get("level"):
            cards.append((f"{level(table.attrs['level'])} interval held", share(float(row["coverage"]))))
    cards.append(("audit", found_words(audit.findings)))
    return tuple(cards)


def found_words(findings: Any) -> str:
    """Say in two or three words what an audit found.

    Example:
        >>> from forecast.auditing.findings import Finding
        >>> found_words([Finding("a", "ok", "."), Finding("b", "serious", ".")]), found_words([])
        ('1 serious', 'in order')
    """
    found = [finding.severity for finding in findings]
    serious, warnings = found.count("serious"), found.count("warning")
    words = [f"{serious} serious"] * bool(serious) + [many(warnings, "warning")] * bool(warnings)
    return ", ".join(words) or "in order"
