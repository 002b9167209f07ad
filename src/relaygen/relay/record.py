"""Keeps the books of one generation: segments, texts, token counts. Everything is counted here and only here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from relaygen.engines.base import Engine
from relaygen.types import LARGE, SMALL, Ending, Role, Segment, Token, Trace, Usage, Written


class Record:
    """What has been written so far. Tokens come in with `write`; `end` closes a piece; pieces of one role join."""

    def __init__(self, policy: str, prompt: tuple[int, ...], seed: int, engines: Mapping[Role, Engine]) -> None:
        self._policy, self._prompt, self._seed = policy, prompt, seed
        large, small = (engines[role].tokenizer.stream() for role in (LARGE, SMALL))
        one = engines[LARGE].tokenizer.fingerprint == engines[SMALL].tokenizer.fingerprint
        # With one vocabulary a character may begin in one segment and end in the next; it counts to the next.
        self._streams = {LARGE: large, SMALL: large if one else small}
        self._segments: list[Segment] = []
        self._tokens: list[Token] = []
        self._texts: list[str] = []
        self._counts = dict.fromkeys(Role, 0)
        self._wasted = dict.fromkeys(Role, 0)
        self._inserted = 0
        self._began = time.perf_counter()
        self._first_token: float | None = None
        self.thinking = False

    @property
    def completion_tokens(self) -> int:
        return sum(self._counts.values()) + self._inserted

    def tail(self, characters: int) -> str:
        """The last characters of the completion, and possibly more."""
        text = ""
        for segment in reversed(self._segments):
            text = segment.text + text
            if len(text) >= characters:
                break
        return text

    def head(self, characters: int) -> str:
        """The first characters of the completion."""
        return "".join(s.text for s in self._segments[:2])[:characters]

    def write(self, role: Role, token: Token) -> Written:
        """Commits one token to the current piece."""
        if self._first_token is None:
            self._first_token = time.perf_counter() - self._began
        text = self._streams[role].feed(token.id)
        self._tokens.append(token)
        self._texts.append(text)
        return Written(role, (token,), text, self.thinking)

    def end(
        self,
        role: Role,
        ending: Ending,
        *,
        why: str = "",
        seconds: float = 0.0,
        overrun: int = 0,
        partial: str = "",
        inserted: bool = False,
    ) -> Segment:
        """Closes the current piece and returns it; in the trace it joins the segment before it where that fits."""
        piece = Segment(
            role=role,
            tokens=tuple(t.id for t in self._tokens),
            text="".join(self._texts) + partial,
            ending=ending,
            why=why,
            thinking=self.thinking,
            seconds=seconds,
            overrun=overrun,
            inserted=inserted,
            logprobs=tuple(t.logprob for t in self._tokens),
            margins=tuple(t.margin for t in self._tokens if t.top),
        )
        if inserted:
            self._inserted += len(self._tokens)
        else:
            self._counts[role] += len(self._tokens)
        self._wasted[role] += overrun
        self._tokens, self._texts = [], []
        self._join(piece)
        return piece

    def waste(self, role: Role, count: int) -> None:
        """Counts tokens that were generated and are not kept; negative when a draft is taken after all."""
        self._wasted[role] += count

    def trace(self, finish_reason: str) -> Trace:
        """The record as it stands."""
        usage = Usage(
            prompt_tokens=len(self._prompt),
            large_tokens=self._counts[LARGE],
            small_tokens=self._counts[SMALL],
            inserted_tokens=self._inserted,
            wasted_large=self._wasted[LARGE],
            wasted_small=self._wasted[SMALL],
        )
        return Trace(
            policy=self._policy,
            prompt=self._prompt,
            segments=self.segments(),
            usage=usage,
            finish_reason=finish_reason,
            seconds=time.perf_counter() - self._began,
            first_token_seconds=self._first_token,
            seed=self._seed,
        )

    def segments(self) -> tuple[Segment, ...]:
        """All segments; a character that stayed incomplete at the end shows as U+FFFD in the last."""
        if not self._segments:
            return ()
        last = self._segments[-1]
        rest = self._streams[last.role].flush()
        if rest:
            self._segments[-1] = replace(last, text=last.text + rest)
        return tuple(self._segments)

    def _join(self, piece: Segment) -> None:
        last = self._segments[-1] if self._segments else None
        if not piece.tokens and not piece.text and not piece.seconds:
            return
        if last is None or (last.role, last.thinking, last.inserted) != (piece.role, piece.thinking, piece.inserted):
            self._segments.append(piece)
            return
        self._segments[-1] = replace(
            piece,
            tokens=last.tokens + piece.tokens,
            text=last.text + piece.text,
            seconds=last.seconds + piece.seconds,
            overrun=last.overrun + piece.overrun,
            logprobs=last.logprobs + piece.logprobs,
            margins=last.margins + piece.margins,
        )
