"""The seam between an evaluation and what judges its answers."""

from __future__ import annotations

from typing import Protocol

from relaygen.evals.types import Sample, Score


class Scorer(Protocol):
    """Judges one answer. Raises ScoringError when it can't tell: a failure is never a wrong answer."""

    async def __call__(self, sample: Sample, completion: str) -> Score: ...
