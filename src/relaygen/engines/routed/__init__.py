"""R2R (arXiv 2505.21600): small writes, and a router has large write the tokens at which the two would part."""

from relaygen.engines.routed.engine import RoutedEngine
from relaygen.engines.routed.router import Router, load_router

__all__ = ["RoutedEngine", "Router", "load_router"]
