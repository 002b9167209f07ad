"""What the large model is asked: problems of the calibration split, or questions of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaygen.errors import UsageError
from relaygen.problems import NANO_TASKS, ROOM, ProblemSet, Split, problem_sets

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
FIELDS = ("question", "problem", "prompt", "input")


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `id` is what statistics are clustered by; `number` fixes the sampling seed.

    `solved` judges an answer, where that is possible.
    """

    id: str
    number: int
    text: str
    solved: Callable[[str], bool] | None = None


def questions(task: str, first: int, n: int, split: Split = Split.CALIBRATION) -> list[Question]:
    """`n` questions from number `first` on, those that are made on demand from the seeds of `split`.

    `task` is `nano` (relay-nano's tasks in turn), a reasoning-gym data set (`rg:NAME` or its name alone), or a JSONL
    file with a field `question`. Raises UsageError when there are not as many, MissingExtra without reasoning-gym.
    """
    if n < 1 or first < 0:
        raise UsageError(
            f"{split.capitalize()} needs at least one problem, the first of which is 0 or later; not {n}, {first}."
        )
    if task.endswith(".jsonl"):
        return _from_file(Path(task), first, n)
    sets = problem_sets(task.removeprefix("rg:"), split)
    if (first + n - 1) // len(sets) >= ROOM:
        raise UsageError(f"There are {ROOM * len(sets)} {split} problems; {first + n} were asked for.")
    return [_problem(sets[i % len(sets)], i // len(sets), i) for i in range(first, first + n)]


def _problem(problems: ProblemSet, index: int, number: int) -> Question:
    problem = problems[index]
    # relay-nano boxes its answer without being told.
    text = problem.question if problems.task in NANO_TASKS else f"{problem.question}\n\n{BOXED}"
    return Question(f"{problems.task}/{index}", number, text, lambda answer: problems.solved(problem, answer))


def _from_file(path: Path, first: int, n: int) -> list[Question]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The questions {path} can't be read: {error}.") from error
    if first + n > len(lines):
        raise UsageError(f"{path} holds {len(lines)} questions; {first + n} were asked for.")
    return [_asked(path, i, lines[i]) for i in range(first, first + n)]


def _asked(path: Path, number: int, line: str) -> Question:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}, line {number + 1} is not JSON: {error}.") from error
    found = [row[name] for name in FIELDS if isinstance(row.get(name), str)] if isinstance(row, dict) else []
    if not found or not found[0].strip():
        raise UsageError(f"{path}, line {number + 1} has no question: it needs one of the fields {', '.join(FIELDS)}.")
    return Question(f"{path.stem}/{number}", number, found[0].strip())
