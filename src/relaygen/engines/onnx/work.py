"""What runs in an engine's worker thread: filling the cache, generating, scoring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from relaygen.engines.base import Params
from relaygen.engines.onnx.sequence import CachedSequence, Hidden
from relaygen.sampling import Logits, read
from relaygen.types import Scored, Token
from relaygen.until import Matcher

T = TypeVar("T")

FLUSH_SECONDS = 0.025
"""Tokens are handed over in batches this far apart: a small model makes one in a tenth of a millisecond, and waking
the event loop for each would cost more than that."""


Draw = Callable[[Logits, int], Token]
"""Chooses the token at a position of the completion, given its logits."""


@dataclass(slots=True)
class Stop:
    """Asks the worker to come back; it looks before each step. Set from the event loop."""

    asked: bool = False


def feed(sequence: CachedSequence, tokens: list[int], first: int, stop: Stop) -> Iterator[tuple[int, Logits]]:
    """Brings `sequence`, a prefix of `tokens`, to all of them. Stops early when asked.

    Yields the logits of position `first` and all later ones, some earlier ones perhaps, in pieces: the position of the
    first row, and the rows, valid until the next piece.
    """
    begin = min(first, len(sequence.tokens))
    if begin == len(tokens) - 1:
        begin = max(begin - 1, 0)
    sequence.rewind(begin)
    while not stop.asked and (done := len(sequence.tokens)) < len(tokens):
        end = min(done + sequence.chunk, len(tokens))
        # Never a single token, here and above, where it can be avoided: the kernels for one row round differently, so
        # that what a seed gives would depend on what happens to be in the cache.
        if end == len(tokens) - 1:
            end -= 1
        yield done, sequence.feed(tokens[done:end])


def fill(sequence: CachedSequence, tokens: list[int], stop: Stop) -> None:
    """Brings `sequence`, a prefix of `tokens`, to all of them. Stops early when asked."""
    for _ in feed(sequence, tokens, len(tokens), stop):
        pass


def newest(sequence: CachedSequence, tokens: list[int], stop: Stop) -> Logits | None:
    """Brings `sequence`, a prefix of `tokens`, to all of them, in one go where that is possible.

    Comes back with the logits of the last position, float32 [vocabulary]; None when it was stopped.
    """
    missing = len(tokens) - len(sequence.tokens)
    if 0 < missing <= sequence.chunk:
        last: Logits = sequence.feed(tokens[-missing:])[-1]
        return last
    logits = None
    for _, rows in feed(sequence, tokens, len(tokens) - 1, stop):
        logits = rows[-1]
    return None if stop.asked else logits


def score(sequence: CachedSequence, tokens: list[int], start: int, stop: Stop) -> list[Scored]:
    """Reads the tokens from `start` on; `sequence` is a prefix of `tokens`."""
    scored: list[Scored] = []
    # The logits at a position are about the next one.
    for position, rows in feed(sequence, tokens[:-1], start - 1, stop):
        scored += [read(row, tokens[i]) for i, row in enumerate(rows, position + 1) if i >= start]
    return scored


def observe(
    sequence: CachedSequence, tokens: list[int], start: int, see: Callable[[Logits, Hidden], T], stop: Stop
) -> list[T]:
    """What `see` makes of the logits and hidden states from position `start` on, piece by piece."""
    seen: list[T] = []
    for position, rows in feed(sequence, tokens, start, stop):
        first = max(start - position, 0)
        if first < len(rows):
            seen.append(see(rows[first:], sequence.hidden[first:]))
    return seen


@dataclass(slots=True)
class Generation:
    """Continues `prompt` by at most `limit` tokens, which is at least 1."""

    prompt: list[int]
    params: Params
    limit: int
    until: Matcher | None
    draw: Draw
    hand_over: Callable[[list[Token]], object]
    """Receives the batches, in the worker's thread."""

    def run(self, sequence: CachedSequence, stop: Stop) -> list[Token]:
        """Generates to the end; `sequence` is a prefix of `prompt`. Returns the tokens that were not handed over.

        The last token is sampled but not fed: the call that continues from it does that.
        """
        flushed = time.perf_counter()
        batch: list[Token] = []
        position, last = self.params.offset, self.params.offset + self.limit - 1
        logits: Logits | None = None
        for _, rows in feed(sequence, self.prompt, len(self.prompt) - 1, stop):
            logits = rows[-1]
        while logits is not None and not stop.asked:
            token = self.draw(logits, position)
            batch.append(token)
            if self._ends_with(token) or position == last or stop.asked:
                break
            if (now := time.perf_counter()) - flushed >= FLUSH_SECONDS:
                self.hand_over(batch)
                batch, flushed = [], now
            logits = sequence.feed((token.id,))[0]
            position += 1
        return batch

    def _ends_with(self, token: Token) -> bool:
        fired = self.until is not None and self.until.feed(token)
        return fired or token.id in self.params.eos
