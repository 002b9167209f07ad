"""SpecReason (arXiv 2504.07891): small writes a step, large judges it, and rewrites it when it finds it wanting."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relaygen.policies.base import Ask, Commit, Draft, Drafted, Instruction, Read, Steps, Write
from relaygen.policies.kinds import at_least
from relaygen.types import LARGE, SMALL, Scored
from relaygen.until import paragraph_end

DIGITS = frozenset("0123456789")
QUESTION = (
    "\n\nBefore I go on, I mark the last step on a scale from 0 to 9: only whether it is correct and follows from the "
    "steps before it, not its style or usefulness. The mark is: "
)
THRESHOLDS = {"mark": 7.0, "likelihood": 0.1}
HIGHEST = {"mark": 9, "likelihood": 1}


@dataclass(frozen=True, slots=True)
class SpecReason:
    """A step is a paragraph of at most `max_step` tokens; it is kept when large's judgement is at least `threshold`.

    With `judge="mark"` the judgement is a mark from 0 to 9: the expected value over the digits among large's most
    probable next tokens; without a digit it is 0, as published. The first `first_n_steps` are written by large.
    Defaults are the published code's (a threshold of 7; its scripts use 9).

    With `judge="likelihood"`, ours, for models that can't mark, large reads the step in one pass: the judgement is how
    probable its worst token is, relative to the one that large would most likely have written there (0 to 1; the
    threshold is 0.1 by default). The worst and not the mean, because in a step of fifty tokens one wrong digit hides.

    The published judge is asked in a chat of its own. Here large reads `question` behind the step, in place, so that
    nothing but the step and the question has to be read, and the step only once when it is kept. An "Answer:" in a
    thought does not end the generation and `</think>` is not deleted, unlike in the published code: thinking ends where
    the models end it, and the answer is drafted and judged like any step.
    """

    threshold: float | None = None
    max_step: int = 512
    first_n_steps: int = 0
    question: str = QUESTION
    judge: Literal["mark", "likelihood"] = "mark"
    name: str = "specreason"

    def __post_init__(self) -> None:
        if self.judge not in THRESHOLDS:
            raise ValueError(f"judge must be mark or likelihood, not {self.judge}")
        if not 0 <= self._least <= HIGHEST[self.judge]:
            raise ValueError(
                f"threshold must be between 0 and {HIGHEST[self.judge]} with judge={self.judge}, not {self.threshold}"
            )
        at_least(0, first_n_steps=self.first_n_steps)
        at_least(1, max_step=self.max_step)

    @property
    def _least(self) -> float:
        return THRESHOLDS[self.judge] if self.threshold is None else self.threshold

    def run(self) -> Steps:
        for _ in range(self.first_n_steps):
            yield Write(LARGE, until=paragraph_end(), max_tokens=self.max_step)
        while True:
            step = yield Draft(SMALL, until=paragraph_end(), max_tokens=self.max_step)
            judgement = yield from self._judgement(step)
            if judgement >= self._least:
                yield Commit(step)
            else:
                yield Write(LARGE, until=paragraph_end(), max_tokens=self.max_step)

    def _judgement(self, step: Drafted) -> Generator[Instruction, Any, float]:
        if self.judge == "likelihood":
            return worst_ratio((yield Read(LARGE, step)))
        return expected_mark((yield Ask(LARGE, self.question, draft=step)).chances)


def expected_mark(chances: Mapping[str, float]) -> float:
    """The expected value over the digits among the probable tokens; 0 when there is none."""
    digits = {int(text): chance for text, chance in chances.items() if text in DIGITS}
    total = sum(digits.values())
    return sum(mark * chance for mark, chance in digits.items()) / total if total else 0.0


def worst_ratio(scored: Sequence[Scored]) -> float:
    """The lowest probability of a token relative to that of the most probable one in its place; 0 without tokens."""
    return min((math.exp(min(s.logprob - s.top[0].logprob, 0.0)) for s in scored), default=0.0)
