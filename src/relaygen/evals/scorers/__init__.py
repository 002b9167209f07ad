"""Scorers by name: math, choice, exact, gym."""

from __future__ import annotations

from collections.abc import Callable

from relaygen.errors import ScoringError
from relaygen.evals.scorers.base import Scorer
from relaygen.evals.scorers.worker import DEADLINE, Worker
from relaygen.evals.types import Sample, Score

__all__ = ["DEADLINE", "Scorer", "ScorerSet", "create_scorer", "scorer_names"]


def _maths(worker: Worker) -> Scorer:
    from relaygen.evals.scorers.maths import Maths

    return Maths(worker)


def _gym(worker: Worker) -> Scorer:
    from relaygen.evals.scorers.gym import Gym

    return Gym(worker)


def _choice(worker: Worker) -> Scorer:
    from relaygen.evals.scorers.texts import choice

    return choice


def _exact(worker: Worker) -> Scorer:
    from relaygen.evals.scorers.texts import exact

    return exact


_FACTORIES: dict[str, Callable[[Worker], Scorer]] = {"math": _maths, "choice": _choice, "exact": _exact, "gym": _gym}


def scorer_names() -> list[str]:
    """The names that `create_scorer` knows."""
    return list(_FACTORIES)


def create_scorer(name: str, worker: Worker) -> Scorer:
    """The scorer of that name. Raises MissingExtra."""
    return _FACTORIES[name](worker)


class ScorerSet:
    """The scorers of a run, which share one worker process."""

    def __init__(self, names: set[str], deadline: float = DEADLINE) -> None:
        self.worker = Worker(deadline)
        self._scorers = {name: create_scorer(name, self.worker) for name in sorted(names)}

    async def __call__(self, sample: Sample, completion: str) -> Score:
        """Raises ScoringError when the scorer can't tell."""
        if sample.scorer not in self._scorers:
            raise ScoringError(f"There is no scorer {sample.scorer!r}.")
        return await self._scorers[sample.scorer](sample, completion)
