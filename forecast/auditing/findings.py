"""What an audit found: one finding a check, worst first, and the picture that goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd

from forecast.auditing.picture import picture_lines
from forecast.auditing.reactions import Reactions
from forecast.errors import ParameterError

SEVERITIES = ("serious", "warning", "note", "ok")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        check: Name of the check, such as ``"newest observation"``.
        severity: ``"serious"``, ``"warning"``, ``"note"`` or ``"ok"``.
        message: What was found, with its figures.
        remedy: What to do; empty where nothing is to be done.
        figures: The figures by name: numbers, texts, or lists of them.

    Raises:
        ParameterError: The severity is unknown.

    Example:
        >>> print(Finding("future", "ok", "Nothing behind the origin changes a forecast."))
        ok       future: Nothing behind the origin changes a forecast.
    """

    check: str
    severity: str
    message: str
    remedy: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ParameterError(f"severity must be one of {', '.join(SEVERITIES)}; got {self.severity!r}.")

    def __str__(self) -> str:
        line = f"{self.severity:<7}  {self.check}: {self.message}"
        return f"{line}\n         → {self.remedy}" if self.remedy else line


@dataclass(frozen=True, eq=False)
class Audit:
    """Findings about a model or an evaluation, worst first.

    Args:
        findings: One or more a check.
        reactions: Which forecast steps react to which inputs; None where that was not measured.

    Example:
        >>> audit = Audit((Finding("drift", "ok", "None."), Finding("columns", "serious", "One is missing.")))
        >>> audit.serious, audit.findings[0].check
        (True, 'columns')
        >>> audit.table().columns.tolist()
        ['check', 'severity', 'finding', 'remedy']
    """

    findings: tuple[Finding, ...]
    reactions: Reactions | None = None

    def __post_init__(self) -> None:
        ordered = sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        object.__setattr__(self, "findings", tuple(ordered))

    @property
    def serious(self) -> bool:
        """Whether any finding is serious."""
        return any(finding.severity == "serious" for finding in self.findings)

    def of(self, check: str) -> tuple[Finding, ...]:
        """Return the findings of one check, worst first."""
        return tuple(finding for finding in self.findings if finding.check == check)

    def table(self) -> pd.DataFrame:
        """Return one row a finding: check, severity, finding, remedy."""
        rows = [(f.check, f.severity, f.message, f.remedy) for f in self.findings]
        return pd.DataFrame(rows, columns=["check", "severity", "finding", "remedy"])

    def __str__(self) -> str:
        parts = [str(finding) for finding in self.findings]
        if self.reactions is not None:
            parts += ["", *picture_lines(self.reactions)]
        return "\n".join([self.summary(), *parts])

    def summary(self) -> str:
        """Say in one line how many findings there are of each severity."""
        return f"{counted(self.findings)}."

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            table = self.table().to_html(index=False, escape=True, border=0)
        picture = "" if self.reactions is None else "\n".join(picture_lines(self.reactions))
        return f"<p>{escape(self.summary())}</p>\n{table}\n" + (
            f"<pre>{escape(picture)}</pre>" if picture else ""
        )


def counted(findings: Iterable[Finding]) -> str:
    """Count findings by severity.

    Example:
        >>> counted([Finding("a", "ok", "."), Finding("b", "ok", "."), Finding("c", "note", ".")])
        '0 serious, 0 warnings, 1 note, 2 ok'
    """
    found = [finding.severity for finding in findings]
    words = {"serious": "serious", "warning": "warnings", "note": "notes", "ok": "ok"}
    parts = []
    for severity in SEVERITIES:
        count = found.count(severity)
        parts.append(f"{count} {severity if count == 1 else words[severity]}")
    return ", ".join(parts)
