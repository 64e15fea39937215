"""One web page without anything from elsewhere: texts, tables and pictures in, HTML out.

Everything that is shown is escaped by the template engine, whatever it holds: names of columns and series
come from tables of unknown origin. The page holds no script, loads nothing, and forbids both to the browser
in its own head (a content security policy), should something slip through all the same.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = Path(__file__).with_name("page.html.j2")
# A second, smaller drawing for telephones, where the wide one would be too small to read: inches.
NARROW_WIDTH, NARROW_HEIGHT = 5.6, 4.2
DPI = 110


@dataclass(frozen=True)
class Text:
    """A paragraph; ``quiet`` ones are notes."""

    text: str
    quiet: bool = False
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    rows: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Grid:
    """A table of texts.

    Args:
        head: Names of the columns.
        rows: Cells as they are to be read.
        words: How many columns, from the left, hold words; the others hold numbers and stand at the right.
        marked: Number of a row that stands out, from 0.
        caption: What it shows.
        folded: Show only the caption until it is opened.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    marked: int | None = None
    caption: str = ""
    folded: bool = False
    kind: ClassVar[str] = "grid"


@dataclass(frozen=True)
class Picture:
    """A picture as PNG, and a smaller one of the same for narrow screens.

    Args:
        wide: The picture.
        narrow: For screens of less than 640 pixels; empty for none.
        alt: What it shows, for those who do not see it.
        caption: What stands above it; titles inside a picture would not be wrapped.
        square: Whether it is about as high as wide, and so need not fill the width of the page.
    """

    wide: bytes
    alt: str
    caption: str = ""
    narrow: bytes = b""
    square: bool = False
    kind: ClassVar[str] = "picture"

    @property
    def sources(self) -> tuple[str, str]:
        """Addresses that hold the pictures themselves: the wide one, and the narrow one or ``""``."""
        return _address(self.wide), _address(self.narrow) if self.narrow else ""


@dataclass(frozen=True)
class Mark:
    """One finding: ``severity`` is serious, warning, note or ok."""

    severity: str
    name: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Marks:
    """A list of findings."""

    rows: tuple[Mark, ...]
    kind: ClassVar[str] = "marks"


Block = Text | Facts | Grid | Picture | Marks


@dataclass(frozen=True)
class Section:
    """A part of the page; ``name`` is its anchor: lower-case letters."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """The whole page.

    Args:
        title: In the head and on top.
        lead: The sentence that matters most.
        cards: Names and values of the figures that matter most.
        sections: What follows.
        footer: The last line.
    """

    title: str
    lead: str = ""
    cards: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = field(default=())
    footer: str = ""


def render(page: Page) -> str:
    """Write a page as HTML.

    Example:
        >>> html = render(Page("<script>alert(1)</script>", sections=(Section("data", "Data", (Text("a < b"),)),)))
        >>> "&lt;script&gt;" in html, "<script" in html, "a &lt; b" in html
        (True, False, True)
    """
    from jinja2 import Environment, StrictUndefined

    # Always on: the choice by file name that jinja2 offers knows .html, not .html.j2.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(page=page)


def picture(figure: Figure, alt: str, caption: str = "", *, height: float = NARROW_HEIGHT) -> Picture:
    """Draw a figure in two sizes.

    Args:
        figure: From ``plots`` or ``diagrams``; it is resized.
        alt: What it shows, for those who do not see it.
        caption: What stands above it; titles inside a picture would not be wrapped.
        height: Of the drawing for narrow screens, in inches.
    """
    from forecast.report.methods import add_legend

    width, tall = figure.get_size_inches()
    wide, square = _png(figure), bool(tall > 0.8 * width)
    figure.set_size_inches(NARROW_WIDTH, NARROW_WIDTH * tall / width if square else height)
    for legend in list(figure.legends):
        legend.remove()
        add_legend(figure, figure.axes, most=3)
    return Picture(wide, alt, caption, narrow=_png(figure), square=square)


def grid(head: Sequence[str], rows: Sequence[Sequence[object]], **options: object) -> Grid:
    """Make a grid of anything that has a text.

    Example:
        >>> grid(["step", "MAE"], [[1, "0.5"]]).rows
        (('1', '0.5'),)
    """
    cells = tuple(tuple(str(cell) for cell in row) for row in rows)
    return Grid(tuple(map(str, head)), cells, **options)  # type: ignore[arg-type]


def _png(figure: Figure) -> bytes:
    import io

    buffer = io.BytesIO()
    # Without the name of the software the bytes depend on the picture alone.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
