"""Speculative Thinking (arXiv 2504.12329): small writes; at paragraph ends large may take over for a while."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relaygen.policies.base import Commit, Draft, Insert, Steps, Write
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import paragraph_end


@dataclass(frozen=True, slots=True)
class SpeculativeThinking:
    """At each paragraph end small drafts a peek, and the words in it vote.

    A peek without any of the words is dropped and small goes on (its draws depend on the place, so it writes the same
    again); otherwise large writes as many tokens instead. Where these want to verify something, large goes on for
    `takeover` tokens. After `negatives` doubts it is told to recap, for a growing number of tokens. The answer
    is written like the thoughts. Constants are the published ones. Words are whole words, so that "yes" is not found in
    "eyes" nor "wait" in "await"; `match="substring"` does as the published code.
    """

    verify: Sequence[str] = ("verify", "think again", "recap", "check")
    negative: Sequence[str] = ("wait", "alternatively", "hold on", "another")
    positive: Sequence[str] = ("yeah", "yes", "final answer", "confident")
    match: Literal["word", "substring"] = "word"
    choose_large: bool = True  # otherwise only when large's vote differs from small's
    not_reasoning: bool = False  # large takes over even when the peek says nothing
    begin: bool = False  # large writes the first `begin_tokens`
    begin_tokens: int = 100
    max_paragraph: int = 1024
    peek: int = 20
    takeover: int = 125
    recap_sentence: str = "Let me check whether there are some wrong steps:"
    recap: int = 125
    recap_step: int = 25
    recap_max: int = 200
    negatives: int = 15
    negatives_step: int = 5
    negatives_max: int = 30
    name: str = "speculative-thinking"

    def __post_init__(self) -> None:
        if self.match not in ("word", "substring"):
            raise ValueError(f"match must be word or substring, not {self.match}")
        if str in map(type, (self.verify, self.negative, self.positive)):
            raise ValueError('verify, negative and positive are lists of words, such as ["wait", "hold on"]')
        if min(self.peek, self.takeover, self.recap, self.begin_tokens, self.max_paragraph) < 1:
            raise ValueError("peek, takeover, recap, begin_tokens and max_paragraph must be at least 1")

    def run(self) -> Steps:
        recap, patience, doubts = self.recap, self.negatives, 0
        if self.begin:
            yield Write(LARGE, max_tokens=self.begin_tokens)
        while True:
            segment = yield Write(SMALL, until=paragraph_end(), max_tokens=self.max_paragraph)
            if segment.ending is not Ending.PARAGRAPH:
                continue
            if doubts >= patience:
                yield Insert(self.recap_sentence, LARGE)
                yield Write(LARGE, max_tokens=recap)
                recap = min(recap + self.recap_step, self.recap_max)
                patience = min(patience + self.negatives_step, self.negatives_max)
                doubts = 0
                continue
            kept = peek = yield Draft(SMALL, max_tokens=self.peek)
            vote = self._vote(peek.segment.text)
            if vote == 0 and not self.not_reasoning:
                continue
            takeover = yield Draft(LARGE, max_tokens=self.peek)
            if self.choose_large or self._vote(takeover.segment.text) * vote <= 0:
                kept = takeover
            yield Commit(kept)
            doubts += self._vote(kept.segment.text) < 0
            if self._count(self.verify, kept.segment.text):
                yield Write(LARGE, max_tokens=self.takeover)

    def _vote(self, text: str) -> int:
        """1 when the positive words are more than the others, -1 when they are not, 0 when there are none at all."""
        positive = self._count(self.positive, text)
        negative = self._count((*self.negative, *self.verify), text)
        return 1 if positive > negative else -1 if negative else 0

    def _count(self, words: Sequence[str], text: str) -> int:
        edge = r"\b" if self.match == "word" else ""
        return sum(len(re.findall(f"{edge}{re.escape(word)}{edge}", text.lower())) for word in words)
