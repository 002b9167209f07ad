"""The demonstration: policies side by side on held-out problems of the embedded pair."""

from relaygen.demo.compare import Outcome, Row, compare, rows

__all__ = ["Outcome", "Row", "compare", "rows"]
