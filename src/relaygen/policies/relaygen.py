"""RelayGen (arXiv 2602.06454): large reasons, small takes the easy segments and the answer."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.policies.base import Steps, Write
from relaygen.policies.kinds import at_least
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import Until, chained_end, cue, sentence_end, think_end

MIN_TOKENS = 5  # the published value
MAX_SEGMENT = 256


@dataclass(frozen=True, slots=True)
class RelayGen:
    """Hands over to small at a switch cue and back at the end of the sentence; small writes the answer, unless the
    profile says that its answers differ from large's.

    With `chain`, ours, small goes on over the end of a sentence when its next one begins with a cue as well: two easy
    sentences in a row then cost one round trip and not two. By default the profile says.

    `min_tokens` keeps large from meeting the next cue at once. The published code has no `max_segment`; ours keeps a
    small model that never ends its sentence from running to the budget.
    """

    profile: Profile
    min_tokens: int = MIN_TOKENS
    max_segment: int = MAX_SEGMENT
    chain: bool | None = None
    name: str = "relaygen"

    def __post_init__(self) -> None:
        at_least(0, min_tokens=self.min_tokens)
        at_least(1, max_segment=self.max_segment)

    def run(self) -> Steps:
        offload = cue(self.profile.cues, match=self.profile.match) | think_end()
        back = self.sentence | think_end()
        while True:
            segment = yield Write(LARGE, until=offload, min_tokens=self.min_tokens)
            if segment.ending is Ending.THINK_END:
                break
            segment = yield Write(SMALL, until=back, max_tokens=self.max_segment)
            if segment.ending is Ending.THINK_END:
                break
        yield Write(self.profile.answerer)  # the answer stage, to the end

    @property
    def sentence(self) -> Until:
        """Where what small writes ends, thinking aside."""
        if self.profile.chain if self.chain is None else self.chain:
            return chained_end(self.profile.cues)
        return sentence_end(match="substring" if self.profile.match == "substring" else "guarded")
