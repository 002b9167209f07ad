"""Trains the router of R2R (arXiv 2505.21600) for a pair: from large's answers to a folder that `routed` reads.

Large answers; where small's first choice is another token, large goes on from that token, and a verifier says whether
it mattered. A small network learns to tell such tokens from what small knows when it writes them.
"""

from relaygen.routing.run import Settings, Trained, train_router
from relaygen.routing.shape import Shape

__all__ = ["Settings", "Shape", "Trained", "train_router"]
