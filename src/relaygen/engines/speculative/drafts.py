"""Who drafts: the small model, or an earlier place in the context; and how far ahead it is worth it."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import Stop, newest
from relaygen.sampling import Floats, Ids, distribution, read, uniform
from relaygen.types import Sampling

DRAFT = 1  # the stream of random numbers that drafts are drawn with; 0 is the plain sampler's
WORTH = 0.3  # what one more draft costs, its verification included, in steps of the large model
MEMORY = 0.95  # how much of the acceptance rate each verdict leaves standing


class Proposal(NamedTuple):
    """A drafted token, how likely it is to be right as far as its maker knows (else 1), and the probabilities that it
    was drawn with; empty when it was not drawn at random."""

    id: int
    chance: float = 1.0
    ids: Ids | tuple[()] = ()
    probabilities: Floats | tuple[()] = ()


class Drafts(Protocol):
    """Proposes one token after another."""

    random: bool
    """Whether proposals are drawn at random: then what is decided at a position depends on the proposal."""

    def next(self, context: list[int], position: int) -> Proposal | None:
        """The token that may follow `context`, at `position` of the completion; None when there is no idea.

        `context` is the one of the last call, or the `keep` after it, with tokens appended.
        """
        ...

    def keep(self, length: int) -> None:
        """Only the first `length` tokens of the context stay."""
        ...


class SmallDrafts:
    """The small model drafts, with the sampling that the large model has. It stays within `room` tokens."""

    def __init__(self, sequence: CachedSequence, sampling: Sampling, room: int, stop: Stop) -> None:
        self.random = sampling.temperature > 0
        self._sequence, self._sampling, self._room, self._stop = sequence, sampling, room, stop

    def next(self, context: list[int], position: int) -> Proposal | None:
        logits = newest(self._sequence, context, self._stop) if len(context) <= self._room else None
        if logits is None:
            return None
        ids, probabilities = distribution(logits, self._sampling)
        at = drawn(probabilities, uniform(self._sampling.seed, position, DRAFT)) if len(ids) > 1 else 0
        chance = float(probabilities[at]) if self.random else math.exp(read(logits, int(ids[at])).logprob)
        return Proposal(int(ids[at]), chance, ids, probabilities)

    def keep(self, length: int) -> None:
        self._sequence.rewind(length)


class NgramDrafts:
    """Copies what followed the last few tokens where they stood before (prompt lookup). Needs no second model."""

    random = False
    SIZES = (4, 3, 2)

    def __init__(self) -> None:
        self._ids = array("i")
        self._bytes = bytearray()

    def next(self, context: list[int], position: int) -> Proposal | None:
        fresh = array("i", context[len(self._ids) :])
        self._ids += fresh
        self._bytes += fresh.tobytes()
        for size in self.SIZES:
            at = self._latest(size) if len(self._ids) > size else None
            if at is not None:
                return Proposal(self._ids[at + size])
        return None

    def keep(self, length: int) -> None:
        del self._ids[length:]
        del self._bytes[length * self._ids.itemsize :]

    def _latest(self, size: int) -> int | None:
        """Where the last `size` tokens stood before."""
        width = self._ids.itemsize
        pattern = bytes(self._bytes[-size * width :])
        end = len(self._bytes) - width
        while (at := self._bytes.rfind(pattern, 0, end)) >= 0:
            if at % width == 0:
                return at // width
            end = at + len(pattern) - 1
        return None


@dataclass(slots=True)
class Pace:
    """How many tokens to draft: as long as the chance that a draft is reached and accepted is worth its cost.

    Between 1 and `most`, by the acceptance rate, from one call to the next, and by what the drafts themselves claim.
    What is generated never depends on it.
    """

    most: int
    adaptive: bool = True
    rate: float = field(default=0.8)

    @property
    def count(self) -> int:
        if not self.adaptive:
            return self.most
        rate = min(max(self.rate, 0.01), 0.99)
        return max(1, min(self.most, int(math.log(WORTH) / math.log(rate))))

    def worth(self, reach: float) -> bool:
        """Whether a draft is worth its verification that is reached and right with the chance `reach`."""
        return not self.adaptive or reach >= WORTH

    def see(self, accepted: bool) -> None:
        """Learns from the verdict on one draft."""
        self.rate = MEMORY * self.rate + (1 - MEMORY) * accepted


def drawn(weights: Floats, fraction: float) -> int:
    """The index at `fraction`, 0 to 1, of the summed weights."""
    cumulative = weights.cumsum()
    return min(int(cumulative.searchsorted(fraction * cumulative[-1], side="right")), len(weights) - 1)
