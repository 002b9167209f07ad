"""The plain data that everything else speaks in: tokens, segments, usage, traces, events."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """Which model of the pair."""

    LARGE = "large"
    SMALL = "small"


LARGE, SMALL = Role.LARGE, Role.SMALL


class Ending(StrEnum):
    """Why a segment ended. The first group are conditions of `until` (but for `routed`, a router's word inside an
    engine); the second the relay applies to every policy."""

    CUE = "cue"
    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    THINK_END = "think_end"
    TEXT = "text"
    TOKENS = "tokens"
    MARGIN = "margin"
    ROUTED = "routed"

    EOS = "eos"
    STOP = "stop"
    LENGTH = "length"
    REPETITION = "repetition"
    ABORTED = "aborted"


class Candidate(NamedTuple):
    """One of the most probable tokens of a position, with its natural log-probability (raw softmax)."""

    id: int
    logprob: float


class Token(NamedTuple):
    """One generated token. `top` holds the most probable ones (two or more) when they were asked for, else nothing.

    An engine made of both models says which of them wrote it, and how many seconds that took.
    """

    id: int
    logprob: float = 0.0
    top: tuple[Candidate, ...] = ()
    role: Role | None = None
    seconds: float = 0.0

    @property
    def margin(self) -> float:
        """p(top-1) - p(top-2); raises ValueError when the top-2 were not asked for."""
        return margin(self.top)


class Scored(NamedTuple):
    """A teacher-forced position: the log-probability of the token that stands there and the top-2 before it."""

    id: int
    logprob: float
    top: tuple[Candidate, ...]

    @property
    def margin(self) -> float:
        """p(top-1) - p(top-2)."""
        return margin(self.top)


def margin(top: tuple[Candidate, ...]) -> float:
    """p(top-1) - p(top-2) of a position."""
    if len(top) < 2:
        raise ValueError("the margin needs the top-2 of a position; ask the engine for them")
    return math.exp(top[0].logprob) - math.exp(top[1].logprob)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen; the same for every engine. `temperature=0` is greedy; 0 switches `top_k` off."""

    temperature: float = 0.6
    top_k: int = 20
    top_p: float = 0.95
    min_p: float = 0.0
    seed: int = 0


GREEDY = Sampling(temperature=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A maximal run of tokens that one model wrote.

    `text` holds the characters completed by these tokens, so that the texts of a trace join to the completion's; in
    front of a stop text it may have characters of a token that was dropped because it holds the stop text too.
    `why` says what fired, for example the cue. `seconds` is wall time, hand-over included; `overrun` counts tokens
    that were generated past the end and dropped. `inserted` marks tokens that no model wrote (a missing `</think>`).
    `margins` has those of the tokens whose top-2 were asked for. A segment without tokens took time all the same: its
    model was asked and had nothing to say.
    """

    role: Role
    tokens: tuple[int, ...]
    text: str
    ending: Ending
    why: str = ""
    thinking: bool = True
    seconds: float = 0.0
    overrun: int = 0
    inserted: bool = False
    logprobs: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one generation.

    `wasted` are tokens that were generated and not kept: over-run, dropped drafts, judgements. `drafted` are those that
    a speculative engine drafted, whoever wrote them, and `accepted` those of them that its large model took.
    """

    prompt_tokens: int = 0
    large_tokens: int = 0
    small_tokens: int = 0
    inserted_tokens: int = 0
    wasted_large: int = 0
    wasted_small: int = 0
    drafted: int = 0
    accepted: int = 0

    @property
    def completion_tokens(self) -> int:
        return self.large_tokens + self.small_tokens + self.inserted_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The complete record of one generation; every report and metric reads it.

    With two vocabularies the tokens of a segment are ids of the model that wrote it. `notes` say in a sentence each
    what a reader should know, for example that the tokenizers differ.
    """

    policy: str
    prompt: tuple[int, ...]
    segments: tuple[Segment, ...]
    usage: Usage
    finish_reason: str  # "stop" | "length" | "repetition" | "aborted" | "error"
    seconds: float
    first_token_seconds: float | None = None
    seed: int = 0
    degraded: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def tokens(self) -> tuple[int, ...]:
        """The completion: the segments' tokens, one after another."""
        return tuple(t for s in self.segments for t in s.tokens)

    @property
    def text(self) -> str:
        return "".join(s.text for s in self.segments)

    @property
    def reasoning(self) -> str:
        """The text of the reasoning stage, `</think>` included."""
        return "".join(s.text for s in self.segments if s.thinking)

    @property
    def answer(self) -> str:
        """The text of the answer stage."""
        return "".join(s.text for s in self.segments if not s.thinking)

    @property
    def large_share(self) -> float:
        """Tokens written by large / all completion tokens (the paper's large-model utilization)."""
        total = self.usage.completion_tokens
        return self.usage.large_tokens / total if total else 0.0

    @property
    def switches(self) -> int:
        """Hand-overs between the models, in either direction."""
        return sum(a.role is not b.role for a, b in zip(self.segments, self.segments[1:], strict=False))

    def seconds_of(self, role: Role) -> float:
        return sum(s.seconds for s in self.segments if s.role is role)


class Written(NamedTuple):
    """Event: some tokens of a segment were committed. `text` is what they completed, never half a character.

    The texts of all Written events join to the text of the trace, and their tokens to its tokens.
    """

    role: Role
    tokens: tuple[Token, ...]
    text: str
    thinking: bool


class Ended(NamedTuple):
    """Event: what one instruction wrote is complete. The trace joins such pieces of one role to one segment."""

    segment: Segment


class Finished(NamedTuple):
    """Event: the generation is over. Always the last one."""

    trace: Trace


Event = Written | Ended | Finished
