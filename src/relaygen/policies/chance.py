"""The control: hand-overs at random places, with a chosen large share."""

from __future__ import annotations

import random
from dataclasses import dataclass

from relaygen.policies.base import Steps, Write
from relaygen.policies.kinds import at_least, from_0_to_1
from relaygen.types import LARGE, SMALL, Ending, Role
from relaygen.until import sentence_end, think_end


@dataclass(frozen=True, slots=True)
class Random:
    """A coin decides at every sentence who writes the next one; small writes the answer.

    The coin is steered so that large ends near `share` of all completion tokens, of which about `answer` are expected
    in the answer stage. `seed` fixes the coin; the same seed gives the same choices for the same sentence lengths.
    """

    share: float = 0.6
    answer: int = 32
    seed: int = 0
    max_segment: int = 256
    name: str = "random"

    def __post_init__(self) -> None:
        from_0_to_1(share=self.share)
        at_least(0, answer=self.answer)
        at_least(1, max_segment=self.max_segment)

    def run(self) -> Steps:
        coin = random.Random(self.seed)
        written = {LARGE: 0, SMALL: 0}
        while True:
            role = self._choose(coin, written)
            segment = yield Write(role, until=sentence_end() | think_end(), max_tokens=self.max_segment)
            written[role] += len(segment.tokens)
            if segment.ending is Ending.THINK_END:
                break
        yield Write(SMALL)

    def _choose(self, coin: random.Random, written: dict[Role, int]) -> Role:
        total = written[LARGE] + written[SMALL] + self.answer
        missing = self.share * total - written[LARGE]
        # A sentence has about 15 tokens: twice that much behind the target makes large certain.
        chance = self.share + missing / 30 if 0 < self.share < 1 else self.share
        return LARGE if coin.random() < chance else SMALL
