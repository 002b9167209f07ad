"""Drives a policy's generator with made-up segments: no engine, no relay."""

from __future__ import annotations

from math import log
from typing import Any

from relaygen.policies import Asked, Drafted, Instruction, Policy
from relaygen.types import SMALL, Candidate, Ending, Role, Segment, Token


class Drive:
    """`asked` is the instruction that the policy waits for an answer to; None when it is done."""

    def __init__(self, policy: Policy) -> None:
        self._steps = policy.run()
        self.asked: Instruction | None = next(self._steps)

    def answer(self, result: Any = None) -> Instruction | None:
        try:
            self.asked = self._steps.send(result)
        except StopIteration:
            self.asked = None
        return self.asked


def wrote(text: str = "x", ending: Ending = Ending.TOKENS, role: Role = SMALL) -> Segment:
    """A segment with one token for each character."""
    return Segment(role=role, tokens=tuple(map(ord, text)), text=text, ending=ending)


def drafted(
    text: str = "x", ending: Ending = Ending.TOKENS, role: Role = SMALL, margins: tuple[float, ...] = ()
) -> Drafted:
    known = margins or (0.9,) * len(text)
    tokens = tuple(Token(ord(c), -0.1, _top(ord(c), m)) for c, m in zip(text, known, strict=True))
    return Drafted(wrote(text, ending, role), tokens)


def judged(**chances: float) -> Asked:
    """An answer whose first token was `_7` with the probability that `_7=` says, and so on."""
    return Asked(chances={name.removeprefix("_"): chance for name, chance in chances.items()})


def _top(id: int, margin: float) -> tuple[Candidate, ...]:
    return Candidate(id, log((1 + margin) / 2)), Candidate(id + 1, log(max((1 - margin) / 2, 1e-9)))
