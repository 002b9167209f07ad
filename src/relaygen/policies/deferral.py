"""Deferral: small reasons as long as it is sure; large writes the tokens that it is not sure of."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.policies.base import Steps, Write
from relaygen.policies.kinds import at_least, from_0_to_1
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import margin_below, think_end, tokens


@dataclass(frozen=True, slots=True)
class Deferral:
    """Large writes the next `tokens` tokens wherever small's margin is below `threshold`; small's own is dropped.

    The deferral rule of model cascades, token by token: no cues and no training, but it wants a small model that knows
    what it does not know. Small writes the answer.
    """

    threshold: float = 0.9
    tokens: int = 4
    name: str = "deferral"

    def __post_init__(self) -> None:
        from_0_to_1(threshold=self.threshold)
        at_least(1, tokens=self.tokens)

    def run(self) -> Steps:
        unsure = margin_below(self.threshold, drop=True) | think_end()
        while True:
            segment = yield Write(SMALL, until=unsure)
            if segment.ending is Ending.THINK_END:
                break
            segment = yield Write(LARGE, until=tokens(self.tokens) | think_end())
            if segment.ending is Ending.THINK_END:
                break
        yield Write(SMALL)  # the answer stage, to the end
