"""One call of an engine: what it wrote, how it ended, and which of its tokens are certain to stay."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from relaygen.engines.base import Engine, Params, Tally
from relaygen.relay.options import Options
from relaygen.tokenizer import Tokenizer
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
        if ids[-1] == ids[-1 - period] and ids[-window + period :] == ids[-window:-period]:
            return True
    return False


class Borders:
    """After which tokens no character is left incomplete."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._stream = tokenizer.stream()
        self._count = 0
        self._whole = [0]

    def feed(self, id: int) -> int:
        """Takes the next token; the last border in front of it."""
        before = self._whole[-1]
        self._count += 1
        self._stream.feed(id)
        if not self._stream.pending:
            self._whole.append(self._count)
        return before

    def within(self, count: int) -> int:
        """The last border within the first `count` tokens."""
        return self._whole[bisect_right(self._whole, count) - 1]


def whole(tokenizer: Tokenizer, tokens: Sequence[Token]) -> int:
    """How many of the tokens end on a whole character."""
    borders = Borders(tokenizer)
    for token in tokens:
        borders.feed(token.id)
    return borders.within(len(tokens))


@dataclass(slots=True)
class Run:
    """One model writing until something ends it. `tokens` are all that were generated; the first `kept` count.

    With `whole_characters` tokens of a character that stays incomplete are not kept (the other model has another
    vocabulary and gets text).
    """

    role: Role
    engine: Engine
    until: Until
    eos: frozenset[int]
    min_tokens: int
    max_tokens: int
    ending_at_limit: Ending
    whole_characters: bool = False
    session: str = ""
    tally: Tally | None = None
    tokens: list[Token] = field(default_factory=list)
    kept: int = 0
    ending: Ending = Ending.ABORTED
    why: str = ""
    seconds: float = 0.0
    past: int = 0
    """Tokens that the engine had written behind `tokens` before it was stopped."""

    async def stream(
        self, prompt: list[int], offset: int, before: str, options: Options
    ) -> AsyncGenerator[Token, None]:
        """Runs the engine and yields the tokens that stay; sets `kept`, `ending` and `why` at the end.

        The newest tokens wait, as many as may be given back; so do parts of a character that must stay whole.
        `offset` of the prompt's tokens belong to the completion.
        """
        began = time.perf_counter()
        matcher = Matcher(self.until, self.engine.tokenizer, before=before, min_tokens=self.min_tokens)
        borders = Borders(self.engine.tokenizer)
        count, shown, lookahead = 0, 0, self.until.lookahead
        past = self._past
        if self.max_tokens > 0:  # else there is no room, not even for asking
            async with aclosing(self.engine.stream(prompt, self._params(options, offset), matcher)) as stream:
                async for token in stream:
                    self.tokens.append(token)
                    count += 1
                    complete = borders.feed(token.id) if self.whole_characters else count
                    certain = min(complete, count - lookahead)
                    while shown < certain:
                        yield self.tokens[shown]
                        shown += 1
                    # By the length of the completion: two models that keep handing over in a circle are noticed too.
                    checks = options.repetition_guard and (offset + count) % CHECK_EVERY == 0
                    if checks and not matcher.fired and self._circles(prompt, offset):
                        self.ending = Ending.REPETITION
                        break
        self._conclude(matcher)
        self.past = self._past - past
        if self.whole_characters:
            self.kept = borders.within(self.kept)
        self.seconds = time.perf_counter() - began
        for token in self.tokens[shown : self.kept]:
            yield token

    @property
    def overrun(self) -> int:
        """Tokens past the end that were generated and dropped; an end of sequence is not one of them."""
        return len(self.tokens) - self.kept - (self.ending is Ending.EOS) + self.past

    @property
    def _past(self) -> int:
        return self.tally.overrun if self.tally else 0

    def _params(self, options: Options, offset: int) -> Params:
        return Params(
            max_tokens=self.max_tokens,
            sampling=options.sampling,
            eos=self.eos,
            top=options.margins or self.until.needs_top,
            offset=offset,
            session=self.session,
            tally=self.tally,
        )

    def _circles(self, prompt: list[int], offset: int) -> bool:
        reach = 4 * LONGEST_PERIOD
        written = prompt[max(len(prompt) - offset, len(prompt) - reach) :]
        return circles(written + [t.id for t in self.tokens[-reach:]])

    def _conclude(self, matcher: Matcher) -> None:
        self.kept = len(self.tokens)
        fired = matcher.fired
        if self.ending is Ending.REPETITION:
            return
        if self.tokens and self.tokens[-1].id in self.eos and not (fired and fired.give_back):
            self.ending, self.kept = Ending.EOS, self.kept - 1
        elif fired:
            self.ending, self.why = fired.ending, fired.why
            self.kept -= fired.give_back
        else:  # an engine that stops early has no room left
            self.ending = self.ending_at_limit if self.kept >= self.max_tokens else Ending.LENGTH


def until_with(asked: Until | None, *, thinking: bool, stop: tuple[str, ...], written: str = "") -> Until:
    """What the policy asked for, plus what holds for every policy: the end of thinking, the caller's stop texts.

    A stop text may have begun in `written`, in front of the segment.
    """
    until = asked or NEVER
    if thinking:
        return until | think_end()
    return until | Until((TextCondition(stop, Ending.STOP, written, urgent=True),)) if stop else until
