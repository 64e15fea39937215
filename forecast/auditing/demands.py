"""The columns of a table against those that a model demands."""

from __future__ import annotations

from collections.abc import Iterable

from forecast.auditing.findings import Finding
from forecast.auditing.wording import columns_named, counted
from forecast.data.columns import Columns

COLUMNS = "columns"


def demanded(columns: Columns) -> dict[str, str]:
    """Return every column that a model needs with the role it plays.

    Example:
        >>> demanded(Columns(time="day", id=None, target=("sold",), known_future=("promo",)))
        {'day': 'time', 'sold': 'target', 'promo': 'known-future'}
    """
    single = {columns.time: "time", columns.id: "id"}
    roles = {name: role for name, role in single.items() if name is not None}
    for role in ("target", "known_future", "past_only", "static"):
        roles |= dict.fromkeys(getattr(columns, role), role.replace("_", "-"))
    return roles


def missing_columns(columns: Columns, names: Iterable[str]) -> list[str]:
    """Return the demanded columns that a table lacks."""
    held = set(names)
    return [name for name in demanded(columns) if name not in held]


def columns_finding(columns: Columns, names: Iterable[str] | None) -> Finding:
    """Name the columns that are missing and those that are not used.

    Args:
        columns: What the model demands.
        names: What the table has; None if there is no table.
    """
    roles = demanded(columns)
    listed = ", ".join(f"{name} ({role})" for name, role in roles.items())
    if names is None:
        return Finding(COLUMNS, "ok", f"To predict, a table needs {listed}.", figures={"demanded": roles})
    names = list(names)
    missing = missing_columns(columns, names)
    extra = [name for name in names if name not in roles]
    figures = {"demanded": roles, "missing": missing, "extra": extra}
    if missing:
        named = ", ".join(f"{name!r} ({roles[name]})" for name in missing)
        what = counted(len(missing), "column")
        verb = "is" if len(missing) == 1 else "are"
        return Finding(
            COLUMNS,
            "serious",
            f"{what} that the model needs {verb} missing: {named}; the table has {columns_named(names, 10)}.",
            "Supply them under these names (future values of known-future ones too), or fit again without them.",
            figures,
        )
    if extra:
        told = f"All demanded columns ({len(roles)}) are there; {columns_named(extra)} "
        told += "is not used." if len(extra) == 1 else "are not used."
        return Finding(COLUMNS, "note", told, figures=figures)
    return Finding(
        COLUMNS, "ok", f"All demanded columns ({len(roles)}) are there, and no others.", figures=figures
    )
