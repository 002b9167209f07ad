"""Are two generations the same, and if not, was it a near tie?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from relaygen.types import Trace

TIE = 1e-3
"""The margin below which servers may choose another token: sums in another order move margins by about as much."""


@dataclass
class Tally:
    """How many generations were equal, and the margin of each position at which one was not."""

    what: str
    equal: int = 0
    tokens: int = 0
    ties: list[float] = field(default_factory=list)
    largest_gap: float = 0.0

    def add(self, reference: Trace, other: Trace) -> None:
        """Raises AssertionError when they differ where the reference's choice was clear."""
        gap = margin_of_difference(reference, other)
        self.tokens += len(reference.tokens)
        if gap is None:
            self.equal += 1
            self.largest_gap = max(self.largest_gap, probability_gap(reference, other))
            assert roles(reference) == roles(other)
        else:
            self.ties.append(gap)
            assert gap < TIE, f"{self.what}: differs where the margin is {gap:.4f}"

    def __str__(self) -> str:
        ties = f" ({', '.join(f'{margin:.1e}' for margin in self.ties)})" if self.ties else ""
        return (
            f"{self.what}: {self.equal} of {self.equal + len(self.ties)} generations equal, {self.tokens} tokens, "
            f"{len(self.ties)} near ties{ties}; the tokens' probabilities differ by {self.largest_gap:.1e} at most"
        )


def margin_of_difference(reference: Trace, other: Trace) -> float | None:
    """The reference's margin at the first token that differs; None when none does."""
    pairs = zip(reference.tokens, other.tokens, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    if first is None:
        return None if len(reference.tokens) == len(other.tokens) else math.inf
    return [margin for segment in reference.segments for margin in segment.margins][first]


def probability_gap(reference: Trace, other: Trace) -> float:
    """The largest difference in the probability of a token of two equal generations."""
    a, b = (([math.exp(x) for segment in trace.segments for x in segment.logprobs]) for trace in (reference, other))
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def roles(trace: Trace) -> list[tuple[str, tuple[int, ...], str]]:
    """Who wrote what, and how it ended."""
    return [(segment.role.value, segment.tokens, segment.ending.value) for segment in trace.segments]
