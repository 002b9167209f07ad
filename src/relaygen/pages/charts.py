"""Charts as inline SVG that reads in light and in dark. Needs the extra `eval`."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from relaygen.errors import MissingExtra
from relaygen.types import LARGE, SMALL, Role

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Mid-tones, legible on white and on black; the same hues as in the terminal.
LARGE_COLOUR, SMALL_COLOUR, OTHER_COLOUR = "#3b82f6", "#2ca25f", "#8a8f98"
PALETTE = ("#3b82f6", "#2ca25f", "#d97706", "#a855f7", "#e0507a", "#0ea5a4", "#8a8f98", "#a16207")
colours: dict[Role, str] = {LARGE: LARGE_COLOUR, SMALL: SMALL_COLOUR}
INK = "#000000"  # matplotlib's default for text and axes; the page's own text colour takes its place
STYLE = {"svg.hashsalt": "relaygen", "svg.fonttype": "none"}


def figure(width: float = 5.4, height: float = 3.3) -> Figure:
    """An empty figure, in inches, without any global state."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("matplotlib", "eval") from error
    return Figure(figsize=(width, height), layout="constrained")


def svg(figure: Figure, label: str = "") -> Markup:
    """The figure as an SVG element: the same bytes for the same figure, transparent, black drawn in the page's colour.

    `label` is what a screen reader says.
    """
    import matplotlib

    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        if legend := axes.get_legend():
            legend.set_frame_on(False)
    sheet = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(sheet, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = sheet.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # several charts on a page would repeat them
    return Markup(_framed(text, label, figure.get_figwidth() * 96))


def _framed(text: str, label: str, width: float) -> str:
    """The element with a head of its own: it shrinks with the page, and only the view box of matplotlib's stays."""
    found = re.match(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', text)
    assert found, "matplotlib writes an svg element with a viewBox"
    head = f'<svg role="img" aria-label="{escape(label)}" {found[1]} style="width: 100%; max-width: {width:.0f}px"'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"{head} {spaces}>{text[found.end() :]}"
