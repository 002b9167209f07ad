"""SpecReason (arXiv 2504.07891): small writes a step, large marks it, and rewrites it when the mark is low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relaygen.policies.base import Ask, Commit, Draft, Steps, Write
from relaygen.types import LARGE, SMALL
from relaygen.until import paragraph_end

DIGITS = frozenset("0123456789")
QUESTION = (
    "\n\nBefore I go on, I mark the last step on a scale from 0 to 9: only whether it is correct and follows from the "
    "steps before it, not its style or usefulness. The mark is: "
)


@dataclass(frozen=True, slots=True)
class SpecReason:
    """A step is a paragraph of at most `max_step` tokens; it is kept when large's mark is at least `threshold`.

    The mark, 0 to 9, is the expected value over the digits among large's most probable next tokens; without a digit it
    is 0, as published. The first `first_n_steps` are written by large. Defaults are the published code's (its scripts
    use a threshold of 9).

    The published judge is asked in a chat of its own. Here large reads `question` behind the step, in place, so that
    nothing but the step and the question has to be read, and the step only once when it is kept. An "Answer:" in a
    thought does not end the generation and `</think>` is not deleted, unlike in the published code: thinking ends where
    the models end it, and the answer is drafted and marked like any step.
    """

    threshold: float = 7.0
    max_step: int = 512
    first_n_steps: int = 0
    question: str = QUESTION
    name: str = "specreason"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 9:
            raise ValueError(f"threshold must be between 0 and 9, not {self.threshold}")
        if self.max_step < 1:
            raise ValueError(f"max_step must be at least 1, not {self.max_step}")

    def run(self) -> Steps:
        for _ in range(self.first_n_steps):
            yield Write(LARGE, until=paragraph_end(), max_tokens=self.max_step)
        while True:
            step = yield Draft(SMALL, until=paragraph_end(), max_tokens=self.max_step)
            asked = yield Ask(LARGE, self.question, draft=step)
            if expected_mark(asked.chances) >= self.threshold:
                yield Commit(step)
            else:
                yield Write(LARGE, until=paragraph_end(), max_tokens=self.max_step)


def expected_mark(chances: Mapping[str, float]) -> float:
    """The expected value over the digits among the probable tokens; 0 when there is none."""
    digits = {int(text): chance for text, chance in chances.items() if text in DIGITS}
    total = sum(digits.values())
    return sum(mark * chance for mark, chance in digits.items()) / total if total else 0.0
