"""Reasoning problems with verifiers, made by reasoning-gym from a seed.

Item i of a reasoning-gym data set is seeded with seed + i, so two seeds that lie close together share problems: the
splits below are far apart. Other seeds can still make the same question, so each question belongs to one split alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any
from zlib import crc32

import numpy as np

from relaygen.errors import MissingExtra, UsageError

ROOM = 20_000  # problems per task and split
DRAWS = 50  # seeds that are tried for a problem until its question belongs to the split
SEEDS = ROOM * DRAWS  # per task and split
TRAINED = "nano/trained.bin"  # marks of the questions that relay-nano was trained on, as little-endian uint32
CORRECT = 0.99  # reasoning-gym gives a reward; anything below is not a full solution
BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")

NANO_TASKS: dict[str, dict[str, Any]] = {
    "chain_sum": {"min_terms": 2, "max_terms": 3, "min_digits": 2, "max_digits": 3},
    "products": {"min_terms": 2, "max_terms": 2, "min_digits": 2, "max_digits": 2},
    "simple_equations": {
        "min_terms": 2,
        "max_terms": 2,
        "max_value": 20,
        "operators": ("+", "-"),
        "operators_weights": (0.5, 0.5),
    },
    "leg_counting": {"min_animals": 2, "max_animals": 3, "min_instances": 2, "max_instances": 9},
}
"""What relay-nano is trained on, with the settings that fit its size."""


class Split(StrEnum):
    """Which problems: no seed of one split is used in another, and no question of training or evaluation.

    What routers learn from may be asked in calibration too: both fit a pair, and neither measures it.
    """

    TRAINING = "training"
    ROUTING = "routing"
    CALIBRATION = "calibration"
    EVALUATION = "evaluation"

    @property
    def seed(self) -> int:
        seeds = {"training": 10, "routing": 300, "calibration": 500, "evaluation": 900}
        return seeds[self.value] * 1_000_000

    def owns(self, question: str) -> bool:
        """Whether the split may ask this: what relay-nano was trained on is training's, a hash divides the rest."""
        if self is Split.TRAINING:
            return True
        mark = mark_of(question)
        return mark not in _trained() and mark % 2 == (self is Split.EVALUATION)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: what to ask and how to judge. `entry` is reasoning-gym's own record."""

    task: str
    index: int
    question: str
    answer: str
    entry: Mapping[str, Any]


class ProblemSet:
    """The problems of one task and split, numbered from 0."""

    def __init__(self, task: str, split: Split = Split.EVALUATION, settings: Mapping[str, Any] | None = None) -> None:
        """Raises UsageError for an unknown task or setting, MissingExtra without reasoning-gym."""
        self.task, self.split = task, split
        self._data = _data_set(task, split, dict(NANO_TASKS.get(task, {})) | dict(settings or {}))

    def __getitem__(self, index: int) -> Problem:
        if not 0 <= index < ROOM:
            raise UsageError(f"A task has the problems 0 to {ROOM - 1}, not {index}.")
        for draw in range(DRAWS):
            entry = self._data[index + draw * ROOM]
            if self.split.owns(question := entry["question"].strip()):
                return Problem(self.task, index, question, str(entry["answer"]), entry)
        raise UsageError(f"The task {self.task} has too few different questions to keep its splits apart.")

    def solved(self, problem: Problem, text: str) -> bool:
        """Whether the last `\\boxed{}` of `text`, or its last line without one, is a full solution."""
        try:
            return bool(self._data.score_answer(final_answer(text), problem.entry) >= CORRECT)
        except (TypeError, ValueError):  # some of the verifiers fail on what they can't read
            return False


def problem_sets(task: str, split: Split = Split.EVALUATION) -> list[ProblemSet]:
    """The set of one task, or all of relay-nano's for `nano`, to be taken in turn. Raises as ProblemSet does."""
    return [ProblemSet(name, split) for name in (NANO_TASKS if task == "nano" else [task])]


def mark_of(question: str) -> int:
    """32 bits that stand for a question, by which the splits divide questions among themselves."""
    return crc32(question.encode())


def final_answer(text: str) -> str:
    """What stands in the last `\\boxed{}`; the last line when there is none."""
    boxed = BOXED.findall(text)
    return boxed[-1].strip() if boxed else (text.strip().splitlines() or [""])[-1].strip()


def _data_set(task: str, split: Split, settings: dict[str, Any]) -> Any:
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ModuleNotFoundError as error:
        raise MissingExtra("reasoning-gym", "tasks") from error
    if task not in DATASETS:
        raise UsageError(f"There is no task {task!r}; relay-nano's are {', '.join(NANO_TASKS)}.")
    offset = sorted(NANO_TASKS).index(task) * SEEDS if task in NANO_TASKS else 0
    try:
        return reasoning_gym.create_dataset(task, seed=split.seed + offset, size=SEEDS, **settings)
    except (TypeError, ValueError, AssertionError) as error:
        raise UsageError(f"The task {task} can't be made with {settings}: {error}.") from error


@cache
def _trained() -> frozenset[int]:
    return frozenset(np.frombuffer(resources.files("relaygen").joinpath(TRAINED).read_bytes(), "<u4").tolist())
