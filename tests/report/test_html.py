"""The page itself: everything escaped, nothing from elsewhere, pictures inside."""

from __future__ import annotations

import base64
import re
import struct
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from forecast.report.diagrams import plot_reliability, plot_scores_by_step
from forecast.report.html import (
    Facts,
    Grid,
    Mark,
    Marks,
    Page,
    Picture,
    Section,
    Text,
    grid,
    picture,
    render,
)

HOSTILE = "</title></style><script>alert('x')</script><img src=http://x.y/z onerror=\"alert(1)\">{{ 7*7 }}{% x %}&amp;"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Reader(HTMLParser):
    """Collects tags, attributes and texts of a page, and checks that tags close in order."""

    EMPTY = frozenset({"meta", "img", "source"})

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, tag, name):
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def full_page(text: str) -> Page:
    """A page with ``text`` in every place that holds a text."""
    blocks = (
        Text(text),
        Text(text, quiet=True),
        Facts(((text, text),)),
        Grid((text, text), ((text, text),), caption=text),
        Grid((text,), ((text,),), words=0, caption=text, folded=True),
        Picture(PNG, text, text, narrow=PNG),
        Marks((Mark("serious", text, text, text), Mark("ok", text, text))),
    )
    section = Section("data", text, blocks)
    return Page(text, lead=text, cards=((text, text),), sections=(section,), footer=text)


def test_everything_is_escaped_wherever_it_stands():
    plain, hostile = Reader(render(full_page("plain"))), Reader(render(full_page(HOSTILE)))
    assert hostile.tags == plain.tags
    assert [(tag, name) for tag, name, _ in hostile.attributes] == [(t, n) for t, n, _ in plain.attributes]
    assert "script" not in hostile.tags
    assert not [name for _, name, _ in hostile.attributes if name.startswith("on")]
    assert [text.replace(HOSTILE, "plain") for text in hostile.texts] == plain.texts
    assert "".join(hostile.texts).count(HOSTILE) == "".join(plain.texts).count("plain") == 26
    assert hostile.values("img", "alt") == [HOSTILE]


def test_nothing_comes_from_elsewhere():
    html = render(full_page("plain"))
    page = Reader(html)
    addresses = [
        v for name in ("src", "srcset", "href", "action") for t, n, v in page.attributes if n == name
    ]
    assert len(addresses) == 3
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in addresses)
    assert not re.search(
        r"https?:|//|@import|url\(|<link|<base|<iframe|<object", re.sub(r"base64,\S+", "", html)
    )


def test_the_browser_is_told_to_load_and_run_nothing():
    page = Reader(render(full_page("plain")))
    policies = [v for t, n, v in page.attributes if (t, n) == ("meta", "content") and "default-src" in v]
    assert len(policies) == 1
    parts = dict(part.strip().split(" ", 1) for part in policies[0].split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["img-src"] == "data:"
    assert "script-src" not in parts
    assert page.tags.index("meta") < page.tags.index("style")


def test_pictures_are_inside_in_two_sizes():
    page = Reader(render(full_page("plain")))
    for tag, name in (("img", "src"), ("source", "srcset")):
        (address,) = page.values(tag, name)
        assert base64.b64decode(address.split(",", 1)[1]) == PNG
    assert page.values("source", "media") == ["(max-width: 640px)"]
    single = Page("t", sections=(Section("a", "A", (Picture(PNG, "alt"),)),))
    assert "source" not in Reader(render(single)).tags


def test_light_and_dark():
    html = render(full_page("plain"))
    assert "@media (prefers-color-scheme: dark)" in html
    assert re.search(r"figure img \{[^}]*background: #ffffff", html)
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+)", part)) for part in re.findall(r":root \{(.*?)\}", html, re.S)[:2]
    )
    assert set(light) == set(dark)
    for colours in (light, dark):
        for name in ("ink", "quiet", "blue", "serious", "warning", "note", "ok"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name


def contrast(first: str, second: str) -> float:
    """Contrast of two colours by the Web Content Accessibility Guidelines 2.1: 4.5 is enough for small text."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        parts = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(parts @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_links_lead_to_the_sections():
    sections = tuple(Section(name, name.title(), ()) for name in ("data", "audit"))
    page = Reader(render(Page("t", sections=sections)))
    assert page.values("a", "href") == ["#data", "#audit"]
    assert page.values("section", "id") == ["data", "audit"]


def test_grids_say_which_cells_are_words_and_which_row_counts():
    rows = [["gru", "a long text that will be wrapped", 1], ["naive", "short", 2]]
    block = grid(["method", "why", "MAE"], rows, words=2, marked=1)
    html = render(Page("t", sections=(Section("a", "A", (block,)),)))
    page = Reader(html)
    assert page.values("th", "class") == ["words", "words"]
    assert page.values("td", "class") == ["words", "words long", "words", "words"]
    assert page.values("tr", "class") == ["marked"]
    assert re.search(r'<tr class="marked"><td class="words">naive</td>', html)
    assert "details" not in page.tags


def test_folded_grids_are_opened_by_hand():
    block = grid(["step"], [[1]], words=0, caption="In figures", folded=True)
    page = Reader(render(Page("t", sections=(Section("a", "A", (block,)),))))
    assert page.tags.count("details") == page.tags.count("summary") == 1
    assert "In figures" in page.texts
    assert not page.values("details", "open")


@pytest.mark.parametrize("severity", ["serious", "warning", "note", "ok"])
def test_findings_show_their_severity(severity):
    html = render(
        Page("t", sections=(Section("a", "A", (Marks((Mark(severity, "drift", "far", "refit"),)),)),))
    )
    assert f'<li class="{severity}"><span class="severity">{severity}</span><b>drift</b>far' in html
    assert "→ refit" in html
    assert f".{severity} {{" in html


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


def test_a_wide_figure_is_drawn_again_for_narrow_screens():
    names = ["network", "holt-winters", "seasonal-naive", "theta", "drift"]
    rows = pd.DataFrame(
        [(name, k, 1.0 + k) for name in names for k in range(5)], columns=["method", "step", "score"]
    )
    figure = plot_scores_by_step(rows)
    found = picture(figure, "alt", "caption")
    assert (found.alt, found.caption, found.square) == ("alt", "caption", False)
    wide, narrow = size(found.wide), size(found.narrow)
    assert wide[0] > 2 * narrow[0]
    assert narrow[0] / narrow[1] < wide[0] / wide[1]
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert [text.get_text() for text in legend.get_texts()] == names


def test_a_square_figure_stays_square():
    rows = pd.DataFrame({"method": "gru", "level": [0.1, 0.9], "observed": [0.1, 0.9], "band": 0.1})
    found = picture(plot_reliability(rows), "alt")
    assert found.square
    assert size(found.narrow)[0] == size(found.narrow)[1]
    assert size(found.wide)[0] > size(found.narrow)[0]


def test_the_same_figure_gives_the_same_bytes():
    rows = pd.DataFrame({"method": "gru", "step": [1, 2], "score": [1.0, 2.0]})
    assert picture(plot_scores_by_step(rows), "a") == picture(plot_scores_by_step(rows), "a")
