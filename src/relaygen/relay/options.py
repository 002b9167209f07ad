"""What a caller may ask of one generation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from relaygen.errors import UsageError
from relaygen.types import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of one generation, the same for every policy.

    `max_tokens` is the budget for reasoning and answer together; `stop` texts end the answer and are not part of it
    (the reasoning stage ignores them). `margins` records the margin of every token in the trace. The repetition guard
    ends a generation that goes round in circles. When a model fails for good, `on_small_failure="large"` lets the
    large one finish alone, and `on_large_failure="small"` the small one; the trace is then marked degraded.
    `standby="warm"` lets the model that does not write read along in the background, so that it need not read what
    the other wrote when its turn comes; "cold" does not; "auto" does where the engine knows that it pays.
    """

    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 32768
    stop: tuple[str, ...] = ()
    thinking: bool = True
    margins: bool = False
    repetition_guard: bool = True
    on_small_failure: Literal["error", "large"] = "error"
    on_large_failure: Literal["error", "small"] = "error"
    standby: Literal["auto", "warm", "cold"] = "cold"

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, not {self.max_tokens}.")
        stop: object = self.stop  # a single text is a slip that types alone do not prevent
        if isinstance(stop, str) or not all(self.stop):
            raise UsageError("A stop text must not be empty, and stop must be a list of texts.")
        _check(self.sampling)


def _check(sampling: Sampling) -> None:
    # Written so that a NaN is refused too.
    if not 0 <= sampling.temperature < math.inf:
        raise UsageError(f"temperature must be a number of at least 0, not {sampling.temperature}.")
    if not 0 < sampling.top_p <= 1:
        raise UsageError(f"top_p must be above 0 and at most 1, not {sampling.top_p}.")
    if sampling.top_k < 0:
        raise UsageError(f"top_k must not be negative, but it is {sampling.top_k}.")
    if not 0 <= sampling.min_p <= 1:
        raise UsageError(f"min_p must be between 0 and 1, not {sampling.min_p}.")
