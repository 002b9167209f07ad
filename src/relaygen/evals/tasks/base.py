"""The seam between an evaluation and where its problems come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from relaygen.evals.types import Sample

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


class Task(Protocol):
    """Samples by number. The same task gives the same sample under a number, always."""

    @property
    def name(self) -> str:
        """What reports call this task; sample ids begin with it."""
        ...

    @property
    def digest(self) -> str:
        """Differs when the samples differ."""
        ...

    @property
    def size(self) -> int | None:
        """How many samples there are; None when they are made on demand."""
        ...

    def sample(self, index: int) -> Sample:
        """The sample with that number, from 0."""
        ...


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task whose samples are all at hand."""

    name: str
    samples: Sequence[Sample]

    @property
    def size(self) -> int:
        return len(self.samples)

    @property
    def digest(self) -> str:
        content = "\0".join(f"{s.scorer}\0{s.input}\0{s.target}" for s in self.samples)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def sample(self, index: int) -> Sample:
        return self.samples[index]


def in_turn(tasks: Sequence[Task], count: int) -> Iterator[Sample]:
    """Up to `count` samples, one of each task in turn; a task that has no more is passed over."""
    given = index = 0
    while given < count:
        left = [task for task in tasks if task.size is None or index < task.size]
        if not left:
            return
        for task in left[: count - given]:
            yield task.sample(index)
            given += 1
        index += 1
