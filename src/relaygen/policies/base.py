"""What a policy is: a generator of instructions that receives what happened.

A policy does no I/O and sees no engine. The relay runs its instructions and applies to every policy alike: the token
budget, end of sequence, the caller's stop texts, a missing `</think>`, the repetition guard, cancellation, accounting.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from relaygen.types import Role, Segment, Token
from relaygen.until import Until


@dataclass(frozen=True, slots=True)
class Write:
    """Let `role` write until a condition fires; what it writes is committed. Answered with the Segment.

    Thinking ends every Write of the reasoning stage, asked for or not, and `min_tokens` does not delay that. A Write
    that asks for it when thinking is over returns an empty segment with the ending THINK_END at once. A Write of the
    answer stage goes on to the end of the sequence when nothing else fires.
    """

    role: Role
    until: Until | None = None
    min_tokens: int = 0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Like Write, but nothing is committed. Answered with a Drafted."""

    role: Role
    until: Until | None = None
    min_tokens: int = 0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """An uncommitted segment together with its tokens and their probabilities."""

    segment: Segment
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """Take the first `count` tokens of a draft (all by default) as if written. Answered with the Segment."""

    draft: Drafted
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """Put text into the context that no model wrote. Answered with the Segment."""

    text: str
    role: Role


@dataclass(frozen=True, slots=True)
class Ask:
    """Let `role` judge: it continues the context, then `draft`, then `text` for `max_tokens` greedy tokens.

    The context stays as it was; what the model says is counted as wasted. Answered with an Asked.
    """

    role: Role
    text: str
    max_tokens: int = 1
    draft: Drafted | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model said when it was asked; nothing at all where its context had no room for the question.

    `chances` has the most probable first tokens as text (up to 20, white space around them removed, probabilities of
    the raw softmax).
    """

    text: str = ""
    tokens: tuple[Token, ...] = ()
    chances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """Let `role` read a draft behind the context, in one pass, and say how probable each of its tokens is.

    The context stays as it was, and nothing is generated. Answered with a tuple of Scored, in the vocabulary of `role`;
    an empty one where its context has no room for the draft.
    """

    role: Role
    draft: Drafted


Instruction = Write | Draft | Commit | Insert | Ask | Read
# What is sent back depends on the instruction (see each), which a Generator type can't say.
Steps = Generator[Instruction, Any, None]


class Policy(Protocol):
    """Decides who writes next and until when."""

    @property
    def name(self) -> str:
        """What traces and reports call it."""
        ...

    def run(self) -> Steps:
        """Yields instructions until the answer is complete."""
        ...
