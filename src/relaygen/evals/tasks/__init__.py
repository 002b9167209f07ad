"""Tasks by reference.

nano                         relay-nano's tasks in turn
rg:NAME[,key=value…]         any reasoning-gym data set with its settings; start=N begins at problem N
FILE                         .jsonl, .json, .csv or .parquet in a layout of `evals/tasks/layouts.py`
hf:OWNER/NAME[,split=…]      the same layouts from the Hugging Face hub
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relaygen.errors import UsageError
from relaygen.evals.tasks.base import ListedTask, Task, in_turn
from relaygen.evals.types import Sample
from relaygen.problems import NANO_TASKS

__all__ = ["ListedTask", "Task", "create_tasks", "in_turn", "load_samples"]

MOST = 1_000_000  # samples of one run
DEFAULT_COUNT = 100  # samples of a task that makes them on demand
COMMA = re.compile(r",(?![^(\[{]*[)\]}])")  # not inside a tuple or list


def create_tasks(references: Sequence[str], seed: int = 0) -> list[Task]:
    """The tasks behind the references; `seed` fixes the order of options. Raises UsageError, MissingExtra."""
    tasks = [task for reference in references for task in _tasks(reference, seed)]
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"The task {', '.join(twice)} is given twice.")
    return tasks


def load_samples(tasks: Sequence[Task], count: int | None = None) -> list[Sample]:
    """`count` samples, the tasks in turn. Without a count all there are, or 100 when a task has no end."""
    if count is not None and not 1 <= count <= MOST:
        raise UsageError(f"The number of samples must be between 1 and {MOST}, not {count}.")
    endless = any(task.size is None for task in tasks)
    return list(in_turn(tasks, count or (DEFAULT_COUNT if endless else MOST)))


def _tasks(reference: str, seed: int) -> list[Task]:
    from relaygen.evals.tasks.gym import gym_task

    if reference == "nano":
        return [gym_task(name, {}) for name in NANO_TASKS]
    scheme, _, rest = reference.partition(":")
    if scheme == "rg":
        name, options = _parsed(rest)
        return [gym_task(name, options)]
    return [_listed(reference, seed)]


def _listed(reference: str, seed: int) -> Task:
    from relaygen.evals.tasks.layouts import samples_of
    from relaygen.evals.tasks.rows import read_rows

    if reference.startswith("hf:"):
        from relaygen.evals.tasks.hub import hub_rows

        name, options = _parsed(reference.removeprefix("hf:"))
        rows = hub_rows(name, options)
        return ListedTask(name, samples_of(rows, name, reference, seed))
    path = Path(reference)
    if not path.suffix and not path.exists():
        raise UsageError(f"There is no task {reference!r}; give nano, rg:NAME, hf:OWNER/NAME or the path of a file.")
    return ListedTask(path.stem, samples_of(read_rows(path), path.stem, path, seed))


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    """Splits `NAME,key=value,…`; values are Python literals, bare words are text."""
    name, *parts = (part.strip() for part in COMMA.split(text))
    options: dict[str, Any] = {}
    for part in parts:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise UsageError(f"{part!r} in {text!r} is not an option; write key=value.")
        options[key] = _literal(value)
    return name, options


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(value, value)
