"""A recorded completion, token by token with its text: what conditions and policies are replayed on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from relaygen.tokenizer import Tokenizer
from relaygen.types import Token
from relaygen.until import Fired, Matcher, Until, think_end
from relaygen.until.base import TAIL


class Transcript:
    """Token ids of one completion in one vocabulary. `offsets[i]` characters are complete after i tokens."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], tokens: Sequence[int]) -> None:
        self.tokenizer = tokenizer
        self.prompt, self.tokens = tuple(prompt), tuple(tokens)
        stream = tokenizer.stream()
        texts = [stream.feed(id) for id in self.tokens]
        self.text = "".join(texts)
        self.offsets = [0]
        for text in texts:
            self.offsets.append(self.offsets[-1] + len(text))
        self._prompt_text = tokenizer.decode(self.prompt[-TAIL:])

    def __len__(self) -> int:
        return len(self.tokens)

    def words(self, start: int, end: int) -> str:
        """The characters that the tokens from `start` to `end` complete."""
        return self.text[self.offsets[start] : self.offsets[end]]

    def before(self, at: int) -> str:
        """What conditions may look back at, in front of token `at`."""
        near = self.text[max(0, self.offsets[at] - TAIL) : self.offsets[at]]
        return (self._prompt_text + near)[-TAIL:]

    def token_at(self, character: int) -> int:
        """The token that completes this character."""
        return bisect_right(self.offsets, character) - 1

    def watch(
        self, until: Until, start: int, *, end: int | None = None, min_tokens: int = 0
    ) -> tuple[int, Fired | None]:
        """Feeds tokens from `start` to a matcher, to `end` at most: where the segment ends, and what fired."""
        stop = len(self.tokens) if end is None else min(end, len(self.tokens))
        matcher = Matcher(until, self.tokenizer, before=self.before(start), min_tokens=min_tokens)
        for at in range(start, stop):
            if matcher.feed(Token(self.tokens[at])):
                break
        else:
            return stop, None
        assert matcher.fired
        return at + 1 - matcher.fired.give_back, matcher.fired

    @property
    def expects_thinking(self) -> bool:
        """Whether there is a reasoning stage: its tags are in the completion, or the prompt has opened it."""
        closed = self._prompt_text.rstrip().endswith("</think>")
        return not closed and ("<think>" in self._prompt_text + self.text or "</think>" in self.text)

    @property
    def reasoning_length(self) -> int:
        """Tokens of the reasoning stage, `</think>` included; all when it was not completed, 0 without one."""
        return self.watch(think_end(), 0)[0] if self.expects_thinking else 0
