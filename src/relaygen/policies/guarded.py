"""Guarded, RelayGen with an early return: when small grows unsure, large takes back what small was unsure about."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.policies.base import Commit, Draft, Drafted, Steps, Write
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import cue, margin_below, sentence_end, think_end


@dataclass(frozen=True, slots=True)
class Guarded:
    """Hands over at switch cues like RelayGen, and back at the end of the sentence or where small is in doubt.

    Small is in doubt when the mean margin of its last `window` tokens is below `threshold`. The tokens from the first
    doubtful one of the window on are then dropped, and large writes on from there. So a segment of small is only shown
    when it is complete; with `drop=False` it is shown as it is written, and kept.
    """

    profile: Profile
    threshold: float = 0.5
    window: int = 3
    drop: bool = True
    min_tokens: int = 5
    max_segment: int = 256
    name: str = "guarded"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be between 0 and 1, not {self.threshold}")
        if self.window < 1:
            raise ValueError(f"window must be at least 1, not {self.window}")

    def run(self) -> Steps:
        offload = cue(self.profile.cues, match=self.profile.match) | think_end()
        back = sentence_end() | margin_below(self.threshold, window=self.window) | think_end()
        while True:
            segment = yield Write(LARGE, until=offload, min_tokens=self.min_tokens)
            if segment.ending is Ending.THINK_END:
                break
            if self.drop:
                draft = yield Draft(SMALL, until=back, max_tokens=self.max_segment)
                segment = yield Commit(draft, self._sure(draft))
            else:
                segment = yield Write(SMALL, until=back, max_tokens=self.max_segment)
            if segment.ending is Ending.THINK_END:
                break
        yield Write(self.profile.answerer)  # the answer stage, to the end

    def _sure(self, draft: Drafted) -> int | None:
        """How many tokens of the draft stay: all, or those in front of the first doubtful one of the last window."""
        if draft.segment.ending is not Ending.MARGIN:
            return None
        start = max(len(draft.tokens) - self.window, 0)
        return next((i for i in range(start, len(draft.tokens)) if draft.tokens[i].margin < self.threshold), None)
