"""Speculative decoding: somebody drafts, the large model verifies several tokens at once."""

from relaygen.engines.speculative.engine import SpeculativeEngine

__all__ = ["SpeculativeEngine"]
