"""Self-contained HTML pages: one look for every report, charts as inline SVG."""

from relaygen.pages.charts import LARGE_COLOUR, SMALL_COLOUR, colours, figure, svg
from relaygen.pages.render import render

__all__ = ["LARGE_COLOUR", "SMALL_COLOUR", "colours", "figure", "render", "svg"]
