"""reasoning-gym's data sets as tasks: problems made from seeds that neither training nor calibration uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from relaygen.errors import UsageError
from relaygen.evals.tasks.base import BOXED
from relaygen.evals.types import Sample
from relaygen.problems import NANO_TASKS, ROOM, ProblemSet, Split


@dataclass(frozen=True, slots=True)
class GymTask:
    """One data set with its settings. `start` is the number of the first problem.

    With `boxed` the question says where the answer goes; relay-nano does that without being told.
    Raises UsageError for an unknown data set or setting, MissingExtra without reasoning-gym.
    """

    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: int = 0
    boxed: bool = False
    problems: ProblemSet = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if type(self.start) is not int or not 0 <= self.start < ROOM:
            raise UsageError(f"start must be a whole number from 0 to {ROOM - 1}, not {self.start!r}.")
        if type(self.boxed) is not bool:
            raise UsageError(f"boxed must be True or False, not {self.boxed!r}.")
        for name in ("seed", "size"):
            if name in self.settings:
                raise UsageError(f"{name} is fixed, to keep evaluation apart from training; use start to move on.")
        object.__setattr__(self, "problems", ProblemSet(self.dataset, Split.EVALUATION, self.settings))

    @property
    def name(self) -> str:
        return self.dataset

    @property
    def size(self) -> None:
        return None

    @property
    def digest(self) -> str:
        settings = json.dumps(dict(self.settings), sort_keys=True, default=str)
        return f"reasoning-gym {metadata.version('reasoning-gym')} {settings} boxed={self.boxed}"

    def sample(self, index: int) -> Sample:
        problem = self.problems[self.start + index]
        return Sample(
            id=f"{self.name}/{problem.index}",
            task=self.name,
            input=f"{problem.question}\n\n{BOXED}" if self.boxed else problem.question,
            target=problem.answer,
            scorer="gym",
            metadata={"dataset": self.dataset, "settings": dict(self.settings), "index": problem.index},
        )


def gym_task(dataset: str, options: Mapping[str, Any]) -> GymTask:
    """A data set by name; `start` and `boxed` are ours, every other option is a setting of the data set."""
    settings = dict(options)
    start, boxed = settings.pop("start", 0), settings.pop("boxed", dataset not in NANO_TASKS)
    return GymTask(dataset, settings, start, boxed)
