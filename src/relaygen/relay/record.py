"""Keeps the books of one generation: segments, texts, token counts. Everything is counted here and only here."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace

from relaygen.engines.base import Engine, Tally
from relaygen.relay.prompt import OPENING
from relaygen.types import LARGE, SMALL, Ending, Role, Segment, Token, Trace, Usage, Written

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class Record:
    """What has been written so far. Tokens come in with `write`; `end` closes a piece; pieces of one role join."""

    def __init__(
        self,
        policy: str,
        prompt: tuple[int, ...],
        seed: int,
        engines: Mapping[Role, Engine],
        notes: tuple[str, ...] = (),
    ) -> None:
        self._policy, self._prompt, self._seed, self._notes = policy, prompt, seed, notes
        self._degraded = False
        large, small = (engines[role].tokenizer.stream() for role in (LARGE, SMALL))
        one = engines[LARGE].tokenizer.fingerprint == engines[SMALL].tokenizer.fingerprint
        # With one vocabulary a character may begin in one segment and end in the next; it counts to the next.
        self._streams = {LARGE: large, SMALL: large if one else small}
        self._segments: list[Segment] = []
        self._role = LARGE  # who wrote the newest token
        self._tokens: list[Token] = []  # those of the piece that has not ended
        self._texts: list[str] = []
        self._ends: list[int] = []  # characters of the completion after each of its tokens
        self._length = 0
        self._handed: list[Token] = []  # tokens of this instruction in front of the current piece
        self._wasted = dict.fromkeys(Role, 0)
        self.tally = Tally()
        """What engines count."""
        self._began = time.perf_counter()
        self._first_token: float | None = None
        self.thinking = False
        self.undecided = False
        """Whether a reasoning stage is expected that nobody has opened yet; the first words decide."""
        self._first_words = ""

    @property
    def completion_tokens(self) -> int:
        return len(self._ends)

    @property
    def last(self) -> Segment | None:
        """The segment that ended last."""
        return self._segments[-1] if self._segments else None

    def tail(self, characters: int) -> str:
        """The last characters of the segments that have ended, and possibly more."""
        text = ""
        for segment in reversed(self._segments):
            text = segment.text + text
            if len(text) >= characters:
                break
        return text

    def write(self, role: Role, token: Token) -> Written:
        """Commits one token to the current piece."""
        if self._first_token is None:
            self._first_token = time.perf_counter() - self._began
        text = self._streams[role].feed(token.id)
        if self.undecided:
            self._decide(text)
        self._role = role
        self._tokens.append(token)
        self._texts.append(text)
        self._length += len(text)
        self._ends.append(self._length)
        return Written(role, (token,), text, self.thinking)

    def hand_over(self, role: Role) -> Segment | None:
        """Before a token of `role`: the piece in front of it, which ends here if the other model wrote it.

        That happens inside one instruction where its engine is made of both models.
        """
        if not self._tokens or self._role is role:
            return None
        written = self._tokens
        piece = self.end(self._role, Ending.ROUTED, seconds=sum(token.seconds for token in written))
        self._handed += written
        return piece

    def end(
        self,
        role: Role,
        ending: Ending,
        *,
        why: str = "",
        seconds: float = 0.0,
        overrun: int = 0,
        inserted: bool = False,
    ) -> Segment:
        """Closes the current piece and returns it; in the trace it joins the segment before it where that fits.

        `role` was asked to write; who has written is what counts. `seconds` are those of the whole instruction.
        """
        role = self._role if self._tokens else role
        if ending is not Ending.ROUTED:
            seconds = max(0.0, seconds - sum(token.seconds for token in self._handed))
            self._handed = []
        piece = replace(self._piece(role, ending), why=why, seconds=seconds, overrun=overrun, inserted=inserted)
        self._wasted[role] += overrun
        self._tokens, self._texts = [], []
        _join(self._segments, piece)
        return piece

    def waste(self, role: Role, count: int) -> None:
        """Counts tokens that were generated and are not kept; negative when a draft is taken after all."""
        self._wasted[role] += count

    @property
    def open(self) -> tuple[list[int], Role]:
        """The tokens of the instruction that has not ended, and who wrote the newest of them."""
        return [token.id for token in (*self._handed, *self._tokens)], self._role

    def degrade(self, note: str) -> None:
        """From here on it is not the generation that was asked for."""
        self._degraded = True
        self._notes += (note,)

    def cut(self, length: int) -> None:
        """Shortens the completion to `length` characters. A token that goes beyond is dropped and counts as over-run;
        its characters in front of the cut stay."""
        tokens, end = len(self._ends), self._length
        for i in reversed(range(len(self._segments))):
            segment = self._segments[i]
            first, start = tokens - len(segment.tokens), end - len(segment.text)
            if end >= length:
                # Tokens right behind the cut that complete no character are part of one that is gone.
                at = bisect_left(self._ends, length, first, tokens)
                kept = at - first + (at < tokens and self._ends[at] == length) if length > start else 0
                self._wasted[segment.role] += 0 if segment.inserted else len(segment.tokens) - kept
                self._segments[i] = _shortened(segment, kept, max(0, length - start))
                del self._ends[first + kept : tokens]
            tokens, end = first, start
        self._length = min(self._length, length)
        for stream in self._streams.values():
            stream.flush()

    @property
    def incomplete(self) -> str:
        """What stands for a character that has begun and is not complete: U+FFFD, or nothing."""
        return INCOMPLETE if self._streams[self._role].pending else ""

    def trace(self, finish_reason: str) -> Trace:
        """The record as it stands; a piece that has not ended is ABORTED."""
        segments = list(self._segments)
        if self._tokens:
            _join(segments, self._piece(self._role, Ending.ABORTED))
        if segments and self.incomplete:
            segments[-1] = replace(segments[-1], text=segments[-1].text + self.incomplete)
        return Trace(
            policy=self._policy,
            prompt=self._prompt,
            segments=tuple(segments),
            usage=self._usage(segments),
            finish_reason=finish_reason,
            seconds=time.perf_counter() - self._began,
            first_token_seconds=self._first_token,
            seed=self._seed,
            degraded=self._degraded,
            notes=self._notes,
        )

    def _decide(self, text: str) -> None:
        """A completion that does not begin with `<think>` is all answer."""
        self._first_words = (self._first_words + text).lstrip()
        self.undecided = self._first_words != OPENING and OPENING.startswith(self._first_words)
        self.thinking = self.undecided or self._first_words.startswith(OPENING)

    def _usage(self, segments: list[Segment]) -> Usage:
        written = dict.fromkeys(Role, 0)
        for segment in segments:
            written[segment.role] += 0 if segment.inserted else len(segment.tokens)
        return Usage(
            prompt_tokens=len(self._prompt),
            large_tokens=written[LARGE],
            small_tokens=written[SMALL],
            inserted_tokens=len(self._ends) - sum(written.values()),
            wasted_large=self._wasted[LARGE],
            wasted_small=self._wasted[SMALL] + self.tally.replaced,
            drafted=self.tally.drafted,
            accepted=self.tally.accepted,
        )

    def _piece(self, role: Role, ending: Ending) -> Segment:
        return Segment(
            role=role,
            tokens=tuple(t.id for t in self._tokens),
            text="".join(self._texts),
            ending=ending,
            thinking=self.thinking,
            logprobs=tuple(t.logprob for t in self._tokens),
            margins=tuple(t.margin for t in self._tokens if t.top),
        )


def _join(segments: list[Segment], piece: Segment) -> None:
    """Puts `piece` behind the segments, or into the last one when both are of a kind."""
    last = segments[-1] if segments else None
    if last is None or (last.role, last.thinking, last.inserted) != (piece.role, piece.thinking, piece.inserted):
        segments.append(piece)
        return
    segments[-1] = replace(
        piece,
        tokens=last.tokens + piece.tokens,
        text=last.text + piece.text,
        seconds=last.seconds + piece.seconds,
        overrun=last.overrun + piece.overrun,
        logprobs=last.logprobs + piece.logprobs,
        margins=last.margins + piece.margins,
    )


def _shortened(segment: Segment, tokens: int, characters: int) -> Segment:
    return replace(
        segment,
        tokens=segment.tokens[:tokens],
        text=segment.text[:characters],
        overrun=segment.overrun + len(segment.tokens) - tokens,
        logprobs=segment.logprobs[:tokens],
        margins=segment.margins[:tokens],
    )
