"""Texts that a spreadsheet would run as formulas: marked when written, unmarked when read."""

from __future__ import annotations

ESCAPED = "=+-@\t\r\0"


def unescape(text: str) -> str:
    """Take away the ``'`` that ``write_table`` puts before a text that begins like a formula.

    Example:
        >>> unescape("'=1+1"), unescape("''=1+1"), unescape("'tis")
        ('=1+1', "'=1+1", "'tis")
    """
    return text[1:] if text[:1] == "'" and is_risky(text) else text


def escape(text: str) -> str:
    """Put a ``'`` before a text that begins, after any marks ``'``, with ``= + - @`` TAB, CR or NUL.

    Example:
        >>> escape("=1+1"), escape("'=1+1"), escape("'tis")
        ("'=1+1", "''=1+1", "'tis")
    """
    return f"'{text}" if is_risky(text) else text


def is_risky(text: str) -> bool:
    """Tell whether ``text``, leading ``'`` aside, begins with a character that starts a formula."""
    rest = text.lstrip("'")
    return rest[:1] != "" and rest[0] in ESCAPED
