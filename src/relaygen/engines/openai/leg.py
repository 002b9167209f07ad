"""One call of `stream`, which may take several requests: what is asked for, and what has been written by now."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from relaygen.engines.base import Params
from relaygen.engines.openai.base import Chunk, Dialect, Span
from relaygen.engines.openai.faults import ServerFault
from relaygen.engines.openai.stops import server_stops
from relaygen.engines.openai.words import TextTokens
from relaygen.sampling import uniform
from relaygen.tokenizer import Tokenizer
from relaygen.types import Token
from relaygen.until import Matcher

SEEDS = 2**31  # what every server takes as a seed
SEED_STREAM = 7  # keeps these draws apart from those of engines that draw tokens here


class Leg:
    """Feeds the matcher, decides when the call is `over`. `limit` is how many tokens there is room for."""

    def __init__(self, prompt: Sequence[int], params: Params, until: Matcher | None, limit: int) -> None:
        self.prompt = list(prompt)
        self.params = params
        self.until = until
        self.limit = limit
        self.written: list[int] = []
        self.over = False
        self.faults = 0

    def take(self, token: Token) -> None:
        """Counts a token in; it has been fed to the matcher when this returns."""
        self.written.append(token.id)
        fired = self.until.feed(token) if self.until else False
        self.over = fired or token.id in self.params.eos or len(self.written) >= self.limit

    def ends_with(self, span: Span) -> bool:
        """Whether the server of `span` ends where this call is over."""
        fired = self.until.fired if self.until else None
        return (
            self.written[-1] in span.stop_ids
            or len(self.written) == self.limit
            or (fired is not None and fired.why in span.stop_texts)
        )

    def span(self, model: str, dialect: Dialect, tokenizer: Tokenizer) -> Span:
        """The next request: what was written is part of its prompt."""
        prompt = self.prompt + self.written
        stops = server_stops(self.params, self.until, tokenizer)
        sampling = self.params.sampling
        return Span(
            model=model,
            prompt=prompt,
            text="" if dialect.exact else tokenizer.decode(prompt),
            max_tokens=self.limit - len(self.written),
            sampling=sampling,
            seed=segment_seed(sampling.seed, self.params.offset + len(self.written)),
            stop_ids=stops.ids,
            stop_texts=stops.texts[: dialect.stop_limit],
            top=self.params.candidates if self.params.top else 0,
            session=self.params.session,
            id=uuid.uuid4().hex,
        )

    def spelled(self, text: TextTokens, chunk: Chunk) -> tuple[Token, ...]:
        """Streamed text as tokens; an end of sequence, which such servers do not show, as the token that it is."""
        ids = text.feed(chunk.text) + (text.flush() if chunk.finish else [])
        end = [min(self.params.eos)] if chunk.finish == "eos" and self.params.eos else []
        return tuple(Token(id) for id in ids + end)

    def read(self, finish: str, *, exact: bool, name: str) -> None:
        """Whether the server's end is this call's. At a stop that was none of the matcher's, the call goes on.

        Raises ServerFault when the server knows an end of sequence that the tokenizer's folder does not.
        """
        if finish == "length" and exact:
            self.over = True  # the server has no room left
        elif finish == "eos" and not self.over:
            self.over = True
            if self.params.eos and exact:
                raise ServerFault(
                    f"{name} ended its text with a token that its tokenizer's folder does not list as an end of "
                    "sequence; add it to eos_token_id in generation_config.json."
                )


def segment_seed(seed: int, offset: int) -> int:
    """A seed for what begins at `offset` of the completion: with the same one, segments would repeat draws."""
    return int(uniform(seed, offset, SEED_STREAM) * SEEDS)
