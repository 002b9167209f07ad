"""GlimpRouter's idea (arXiv 2601.05110): the first token of a step tells how hard the step is, and so who writes it."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.policies.base import Commit, Draft, Steps, Write
from relaygen.policies.kinds import at_least, from_0_to_1
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import margin_below, paragraph_end, sentence_end, think_end

THRESHOLD = 0.5  # for profiles that were made without one


@dataclass(frozen=True, slots=True)
class EntropyFirst:
    """Small drafts the first token of every step; large writes the step when the margin is below `threshold`.

    The margin stands for the entropy that the paper uses, because every engine can tell it. `step` is what ends a step:
    a paragraph, as in the paper, or a sentence. By default the profile knows the threshold for it: calibration finds
    it. Small writes the answer.
    """

    profile: Profile
    threshold: float | None = None
    step: str = "paragraph"
    max_step: int = 512
    name: str = "entropy-first"

    def __post_init__(self) -> None:
        if self.step not in ("paragraph", "sentence"):
            raise ValueError(f"step must be paragraph or sentence, not {self.step}")
        from_0_to_1(threshold=self.below)
        at_least(1, max_step=self.max_step)

    @property
    def below(self) -> float:
        """The threshold that holds: the option, the profile's for such steps, or one in the middle."""
        if self.threshold is not None:
            return self.threshold
        known = getattr(self.profile.doubt, self.step, None)
        return THRESHOLD if known is None else known

    def run(self) -> Steps:
        step_end = (paragraph_end() if self.step == "paragraph" else sentence_end()) | think_end()
        while True:
            first = yield Draft(SMALL, until=margin_below(self.below) | think_end(), max_tokens=1)
            if first.segment.ending is Ending.MARGIN:
                segment = yield Write(LARGE, until=step_end, max_tokens=self.max_step)
            else:
                segment = yield Commit(first)
                if first.tokens and says_nothing(first.segment.text):
                    continue
                if segment.ending is not Ending.THINK_END:
                    segment = yield Write(SMALL, until=step_end, max_tokens=self.max_step)
            if segment.ending is Ending.THINK_END:
                break
        yield Write(SMALL)  # the answer stage, to the end


def says_nothing(text: str) -> bool:
    """Whether the step has not begun with this token: it is white space, or opens the reasoning."""
    return text.strip() in ("", "<think>")
