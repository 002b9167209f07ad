"""One call of an engine: what it wrote, how it ended, and which of its tokens can be shown already."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from relaygen.engines.base import Engine, Params
from relaygen.relay.options import Options
from relaygen.types import Ending, Role, Token
from relaygen.until import Matcher, TextCondition, Until, think_end

LONGEST_PERIOD, CIRCLING = 128, 128
CHECK_EVERY = 64
NEVER = Until(())


def circles(ids: Sequence[int]) -> bool:
    """Whether the last 128 tokens or more are one block repeated at least four times."""
    for period in range(1, LONGEST_PERIOD + 1):
        window = max(4 * period, CIRCLING)
        if len(ids) < window:
            return False
        tail = ids[-window:]
        if tail[period:] == tail[:-period]:
            return True
    return False


@dataclass(slots=True)
class Run:
    """One model writing until something ends it. `tokens` are all that were generated; the first `kept` count.

    `partial` are characters in front of a stop text that share a token with it. With `whole_characters` tokens of a
    character that stays incomplete are not kept (the other model has another vocabulary and gets text).
    """

    role: Role
    engine: Engine
    until: Until
    min_tokens: int
    max_tokens: int
    ending_at_limit: Ending
    whole_characters: bool = False
    tokens: list[Token] = field(default_factory=list)
    kept: int = 0
    ending: Ending = Ending.ABORTED
    why: str = ""
    partial: str = ""
    seconds: float = 0.0

    async def stream(
        self, prompt: list[int], offset: int, before: str, options: Options
    ) -> AsyncGenerator[Token, None]:
        """Runs the engine and yields the tokens that are certain to stay; sets `kept`, `ending` and `why` at the end.

        A token stays back while it may yet be given back or turn out to be part of a stop text.
        """
        began = time.perf_counter()
        matcher = Matcher(self.until, self.engine.tokenizer, before=before, min_tokens=self.min_tokens)
        params = Params(
            max_tokens=self.max_tokens,
            sampling=options.sampling,
            eos=self.engine.tokenizer.eos_ids,
            top=options.margins or self.until.needs_top,
            offset=offset,
        )
        shown, gate = 0, Gate(self.engine, self.until, self.whole_characters)
        async with aclosing(self.engine.stream(prompt, params, matcher)) as stream:
            async for token in stream:
                self.tokens.append(token)
                safe = min(gate.safe(token), len(self.tokens) - 1)
                while shown < safe:
                    yield self.tokens[shown]
                    shown += 1
                if len(self.tokens) % CHECK_EVERY == 0 and options.repetition_guard and self._circles(prompt):
                    self.ending = Ending.REPETITION
                    break
        self._conclude(matcher, gate)
        self.seconds = time.perf_counter() - began
        for token in self.tokens[shown : self.kept]:
            yield token

    @property
    def overrun(self) -> int:
        """Tokens past the end that were generated and dropped; an end of sequence is not one of them."""
        return len(self.tokens) - self.kept - (self.ending is Ending.EOS)

    def _circles(self, prompt: list[int]) -> bool:
        reach = 4 * LONGEST_PERIOD
        return circles(prompt[-reach:] + [t.id for t in self.tokens[-reach:]])

    def _conclude(self, matcher: Matcher, gate: Gate) -> None:
        self.kept = len(self.tokens)
        self._read_ending(matcher, gate)
        self.kept = gate.whole(self.kept)

    def _read_ending(self, matcher: Matcher, gate: Gate) -> None:
        if self.ending is Ending.REPETITION:
            return
        if matcher.fired:
            self.ending, self.why = matcher.fired.ending, matcher.fired.why
            self.kept -= matcher.fired.give_back
            if self.ending is Ending.STOP:
                self.kept, self.partial = gate.split(self.why)
        elif self.tokens and self.tokens[-1].id in self.engine.tokenizer.eos_ids:
            self.ending, self.kept = Ending.EOS, len(self.tokens) - 1
        else:  # an engine that stops early has no room left
            self.ending = self.ending_at_limit if len(self.tokens) >= self.max_tokens else Ending.LENGTH


class Gate:
    """Tells which tokens are sure to stay: no part of a stop text and, where asked for, of whole characters."""

    def __init__(self, engine: Engine, until: Until, whole_characters: bool) -> None:
        self._stops = tuple(
            text
            for c in until.conditions
            if isinstance(c, TextCondition) and c.ending is Ending.STOP
            for text in c.texts
        )
        self._whole_characters = whole_characters
        self._idle = not self._stops and not whole_characters
        self._stream = engine.tokenizer.stream()
        self._text = ""
        self._ends: list[int] = []
        self._boundaries = [0]

    def safe(self, token: Token) -> int:
        """How many tokens may be shown after this one."""
        if self._idle:
            return 1 << 60
        self._text += self._stream.feed(token.id)
        self._ends.append(len(self._text))
        if not self._stream.pending:
            self._boundaries.append(len(self._ends))
        return self.whole(self._tokens_within(self._safe_length()))

    def whole(self, count: int) -> int:
        """The most tokens, up to `count`, that end on a whole character."""
        if not self._whole_characters:
            return count
        return self._boundaries[bisect_right(self._boundaries, count) - 1]

    def split(self, stop: str) -> tuple[int, str]:
        """How many tokens stand wholly in front of the stop text, and the characters between them and it."""
        at = self._text.index(stop)
        whole = self._tokens_within(at)
        return whole, self._text[self._ends[whole - 1] if whole else 0 : at]

    def _safe_length(self) -> int:
        reach = max(map(len, self._stops), default=0)
        for i in range(max(0, len(self._text) - reach), len(self._text)):
            if any(stop.startswith(self._text[i : i + len(stop)]) for stop in self._stops):
                return i
        return len(self._text)

    def _tokens_within(self, length: int) -> int:
        return bisect_right(self._ends, length)


def until_with(asked: Until | None, *, thinking: bool, stop: tuple[str, ...]) -> Until:
    """What the policy asked for, plus what holds for every policy: the end of thinking, the caller's stop texts."""
    until = asked or NEVER
    if thinking:
        return until | think_end()
    return until | Until((TextCondition(stop, Ending.STOP),)) if stop else until
