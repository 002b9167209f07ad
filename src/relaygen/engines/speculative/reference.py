"""Drafts from a text that is likely to be written again: only large runs, in few passes."""

from __future__ import annotations

from collections.abc import Sequence

from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import Stop
from relaygen.engines.speculative.drafts import Drafts, Proposal
from relaygen.engines.speculative.engine import SpeculativeEngine
from relaygen.types import Sampling

ALIKE = 2  # tokens that have to agree before the text is taken up


class ReferenceDrafts:
    """Proposes what the reference says behind the last few tokens, where it says it nearest to the position."""

    random = False

    def __init__(self, reference: Sequence[int]) -> None:
        self._reference = reference
        self._places: dict[tuple[int, ...], list[int]] = {}
        for end in range(ALIKE, len(reference)):
            self._places.setdefault(tuple(reference[end - ALIKE : end]), []).append(end)

    def next(self, context: list[int], position: int) -> Proposal | None:
        places = self._places.get(tuple(context[-ALIKE:]))
        if not places:
            return None
        return Proposal(self._reference[min(places, key=lambda end: abs(end - position))])

    def keep(self, length: int) -> None:
        """Nothing is kept between calls."""


class ReferenceEngine(SpeculativeEngine):
    """Writes what `large` would write, faster where that is much like `reference`, an earlier completion."""

    def __init__(self, large: OnnxEngine, reference: Sequence[int], *, k: int = 12) -> None:
        super().__init__(large, None, k=k, adaptive=False)
        self._reference = reference

    def _drafts(self, sequence: CachedSequence | None, sampling: Sampling, stop: Stop) -> Drafts:
        return ReferenceDrafts(self._reference)
