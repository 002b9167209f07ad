"""Pages and charts: self-contained, escaped, the same bytes every time."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.figure import Figure

from relaygen.pages import figure, render, svg
from relaygen.pages.charts import PALETTE, colours
from relaygen.types import LARGE, SMALL


def drawing() -> Figure:
    sheet = figure()
    axes = sheet.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], label="squares")
    axes.legend()
    axes.set_title("<a> & b")
    return sheet


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert svg(drawing(), "x") == svg(drawing(), "x")


def test_a_chart_takes_the_colours_of_the_page() -> None:
    drawn = svg(drawing())
    assert "currentColor" in drawn
    assert "#000000" not in drawn
    assert "#ffffff" not in drawn


def test_a_chart_is_well_formed_and_names_itself() -> None:
    drawn = svg(drawing(), 'accuracy "now" & then')
    root = ElementTree.fromstring(drawn)
    assert root.attrib["aria-label"] == 'accuracy "now" & then'
    assert "width" not in root.attrib


def test_charts_on_one_page_do_not_repeat_names() -> None:
    assert not re.findall(r'<g id="', svg(drawing()))


def test_a_chart_is_markup_and_text_is_escaped() -> None:
    assert isinstance(svg(drawing()), Markup)
    assert "&lt;a&gt; &amp; b" in svg(drawing())


def test_a_page_asks_for_nothing_outside_itself() -> None:
    page = render("pages/base.html.jinja")
    assert not re.findall(r'(?:src|href)="(?!data:|#)|@import|url\((?!#)', page)
    assert "prefers-color-scheme: dark" in page


def test_large_and_small_have_colours_of_their_own() -> None:
    assert colours[LARGE] != colours[SMALL]
    assert len(set(PALETTE)) == len(PALETTE)
