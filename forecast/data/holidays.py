"""Public holidays of a country, from the optional package ``holidays``."""

from __future__ import annotations

import numpy as np

from forecast.errors import ParameterError, closest


def check_country(country: str) -> str:
    """Return the country unchanged if its holidays are known.

    Args:
        country: ISO code such as ``"DE"``, with a subdivision ``"DE-BY"``.

    Raises:
        ParameterError: The package ``holidays`` is not installed, or knows no such country or subdivision.
    """
    _read(country, range(0))
    return country


def holiday_days(country: str, first: int, last: int) -> np.ndarray:
    """Return the holidays from day ``first`` to day ``last``, sorted, as days since 1970-01-01.

    Raises:
        ParameterError: As for ``check_country``.
    """
    span = np.array([first, last], dtype="datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    dates = _read(country, range(int(span[0]), int(span[1]) + 1))
    days = np.array(sorted(dates), dtype="datetime64[D]").astype(np.int64)
    return days[(days >= first) & (days <= last)]


def days_until(days: np.ndarray, holidays: np.ndarray, most: int) -> np.ndarray:
    """Count the days to the next holiday, 0 on one itself, at most ``most``.

    Args:
        days: Days since 1970-01-01, any shape.
        holidays: The same, sorted.
        most: What farther ones count.

    Example:
        >>> days_until(np.array([10, 11, 12, 13]), np.array([12, 40]), 7)
        array([2, 1, 0, 7])
    """
    following = np.append(holidays, np.iinfo(np.int64).max)[np.searchsorted(holidays, days)]
    return np.minimum(following - days, most)


def _read(country: str, years: range) -> list:
    """Return the dates of a country's holidays in some years."""
    try:
        import holidays
    except ImportError:
        raise ParameterError(
            'Holidays need a package that is not installed; pip install "keras-forecast[holidays]", or leave the '
            "country out."
        ) from None
    code, _, part = str(country).strip().upper().partition("-")
    if not code:
        raise _unknown(country, code, part)
    try:
        return list(holidays.country_holidays(code, subdiv=part or None, years=years))
    except (NotImplementedError, AttributeError):
        raise _unknown(country, code, part) from None


def _unknown(country: object, code: str, part: str) -> ParameterError:
    import holidays

    known = holidays.list_supported_countries(include_aliases=True)
    if code not in known:
        near = closest(code, list(known))
        return ParameterError(
            f"No holidays are known for country {country!r}.{near} Give a code such as DE, or DE-BY with a subdivision."
        )
    parts = [str(name) for name in known[code]]
    some = (
        f"; {code} has {', '.join(parts[:20])}{' …' if len(parts) > 20 else ''}."
        if parts
        else "; give the country alone."
    )
    return ParameterError(
        f"{code} has no subdivision {part!r} with holidays of its own{some}{closest(part, parts)}"
    )
