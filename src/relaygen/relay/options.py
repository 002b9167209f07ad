"""What a caller may ask of one generation."""

from __future__ import annotations

from dataclasses import dataclass, field

from relaygen.errors import UsageError
from relaygen.types import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of one generation, the same for every policy.

    `max_tokens` is the budget for reasoning and answer together; `stop` texts end the answer and are not part of it
    (the reasoning stage ignores them). `margins` records the margin of every token in the trace. The repetition guard
    ends a generation that goes round in circles.
    """

    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 32768
    stop: tuple[str, ...] = ()
    thinking: bool = True
    margins: bool = False
    repetition_guard: bool = True

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, not {self.max_tokens}.")
        if self.sampling.temperature < 0:
            raise UsageError(f"temperature must not be negative, but it is {self.sampling.temperature}.")
        if not 0 < self.sampling.top_p <= 1:
            raise UsageError(f"top_p must be above 0 and at most 1, but it is {self.sampling.top_p}.")
        if self.sampling.top_k < 0 or not 0 <= self.sampling.min_p <= 1:
            raise UsageError("top_k must not be negative, and min_p must be between 0 and 1.")
        if not all(self.stop):
            raise UsageError("A stop text must not be empty.")
