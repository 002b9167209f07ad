"""Guarded, RelayGen with a guard: where small grows unsure, large writes what small was unsure about."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from relaygen.policies.base import Instruction, Steps, Write
from relaygen.policies.kinds import at_least, from_0_to_1
from relaygen.policies.relaygen import MAX_SEGMENT, MIN_TOKENS, RelayGen
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending, Segment
from relaygen.until import Until, behind_sentence, cue, margin_below, think_end

THRESHOLD = 0.5  # for profiles that were made without one


@dataclass(frozen=True, slots=True)
class Guarded:
    """Hands over at switch cues like RelayGen. Where small is in doubt, its doubtful tokens are dropped, large writes
    `rewrite` tokens in their place, and small goes on with the sentence.

    Small is in doubt when the mean margin of its last `window` tokens is below `threshold`; dropped is what begins with
    the first doubtful one of them. By default the profile knows the threshold: calibration finds it. With `rewrite=0`,
    and where the doubt is how the next sentence begins, large goes on to the next cue.
    """

    profile: Profile
    threshold: float | None = None
    window: int = 1
    rewrite: int = 1
    min_tokens: int = MIN_TOKENS
    max_segment: int = MAX_SEGMENT
    chain: bool | None = None
    name: str = "guarded"

    def __post_init__(self) -> None:
        from_0_to_1(threshold=self.below)
        at_least(0, min_tokens=self.min_tokens, rewrite=self.rewrite)
        at_least(1, window=self.window, max_segment=self.max_segment)

    @property
    def below(self) -> float:
        """The threshold that holds: the option, the profile's, or one in the middle."""
        if self.threshold is not None:
            return self.threshold
        known = self.profile.doubt.guarded if self.profile.doubt else None
        return THRESHOLD if known is None else known

    def run(self) -> Steps:
        offload = cue(self.profile.cues, match=self.profile.match) | think_end()
        back = RelayGen(self.profile, chain=self.chain).sentence
        back = back | margin_below(self.below, window=self.window, drop=True) | think_end()
        min_tokens = self.min_tokens
        while True:
            segment = yield Write(LARGE, until=offload, min_tokens=min_tokens)
            if segment.ending is Ending.THINK_END:
                break
            segment = yield from self._offload(back, segment.why)
            if segment.ending is Ending.THINK_END:
                break
            # Where small did not know how to begin the next sentence, a cue of large's may come at once.
            min_tokens = self.min_tokens if segment.ending is Ending.SENTENCE else 0
        yield Write(self.profile.answerer)  # the answer stage, to the end

    def _offload(self, back: Until, behind: str) -> Generator[Instruction, Any, Segment]:
        """What small writes behind the cue `behind`, up to `back`, guarded. Returns the last piece."""
        written, left = behind, self.max_segment
        while True:
            segment: Segment = yield Write(SMALL, until=back, max_tokens=left)
            written, left = written + segment.text, left - len(segment.tokens)
            if segment.ending is not Ending.MARGIN or not self.rewrite or self._opens(written):
                return segment
            segment = yield Write(LARGE, until=think_end(), max_tokens=self.rewrite)
            written, left = written + segment.text, left - len(segment.tokens)
            if segment.ending is Ending.THINK_END or left < 1 or self._opens(written):
                return segment

    def _opens(self, written: str) -> bool:
        """Whether a sentence has ended in this text and what is there of the next one is no easy one, as far as it
        goes: then it is not for small to go on."""
        opening = behind_sentence(written + " ")
        return opening is not None and not opening.lstrip().startswith(tuple(c.rstrip() for c in self.profile.cues))
