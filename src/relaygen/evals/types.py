"""The words of evaluation: samples, scores, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from relaygen.types import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One problem of a task. `input` is the whole question as it is sent, `target` what a right answer looks like.

    `id` is unique among all samples of a run; `scorer` names what judges the answer.
    """

    id: str
    task: str
    input: str
    target: str
    scorer: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A verdict. `answer` is what was read out of the completion, `explanation` how it was judged."""

    correct: bool
    answer: str
    explanation: str = ""


class Fault(StrEnum):
    """What failed."""

    ENGINE = "engine"
    PROMPT = "prompt"
    SCORER = "scorer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no score: nothing is known about the answer."""

    kind: Fault
    message: str


class Key(NamedTuple):
    """What a log holds at most one result for."""

    policy: str
    sample: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One sample answered once by one policy. Has a score or an error, never both.

    `epoch` counts the repetitions from 0; `seed` is the sampling seed, the same for all policies.
    """

    policy: str
    sample: Sample
    epoch: int
    seed: int
    trace: Trace | None = None
    score: Score | None = None
    error: Failure | None = None

    @property
    def key(self) -> Key:
        return Key(self.policy, self.sample.id, self.epoch)
