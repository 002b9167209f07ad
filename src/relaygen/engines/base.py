"""The seam between the relay and whatever produces tokens."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from relaygen.chat import ChatTemplate
from relaygen.tokenizer import Tokenizer
from relaygen.types import Sampling, Scored, Token
from relaygen.until import Matcher


@dataclass(slots=True)
class Tally:
    """What engines did besides the tokens that they yielded: drafts, those of them that were accepted, passes that
    verified them; tokens that a server had written past the end before it was stopped.

    Drafts behind the token that ended the generation are not counted: nobody asked whether they were right.
    """

    drafted: int = 0
    accepted: int = 0
    passes: int = 0
    overrun: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """What one `stream` call may do.

    `eos` are the token ids that end a generation (of both models); the engine yields the one that it met and stops.
    `top` asks for the most probable tokens of each position, `candidates` of them. `offset` is the position of the
    first new token in the completion: with `sampling.seed` it fixes the random numbers, so that segments do not repeat
    each other's. `session` names the generation: an engine with several servers keeps one on one of them.
    What an engine does besides, it counts in `tally`.
    """

    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    eos: frozenset[int] = frozenset()
    top: bool = False
    candidates: int = 2
    offset: int = 0
    session: str = ""
    tally: Tally | None = None


class Engine(Protocol):
    """Produces tokens for one model. Stateless to the caller: the full prefix goes in with every call.

    Reuse of cached prefixes is the engine's private matter. Calls may overlap; an engine bounds how many run at once.
    """

    name: str
    """What the trace calls this engine, for example `nano:large`."""

    tokenizer: Tokenizer
    template: ChatTemplate | None
    """How this model renders a conversation; None when it can't say."""

    context: int
    """Most tokens, prompt and completion together."""

    def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        """Continues `prompt` (token ids), yielding tokens as they are generated.

        Stops after `params.max_tokens` tokens, after an id in `params.eos`, when the context is full, or after the
        token at which `until` fires; every token has been fed to `until` before it is yielded, in order, none twice.
        Closing the iterator aborts the generation. Raises ContextError before any work when the prompt leaves no
        room, EngineError when it fails.
        """
        ...

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        """Teacher-forced reading: one `Scored` for each position from `start` (at least 1) to the end."""
        ...

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        """Fills the cache with `prompt` and produces nothing; `session` as in Params. Cancelling it is quick, and what
        has been read by then stays in the cache."""
        ...

    async def aclose(self) -> None:
        """Frees what the engine holds; running generations are aborted."""
        ...


@runtime_checkable
class ReadsAlong(Protocol):
    """An engine that knows whether filling its cache while the other model writes saves time."""

    @property
    def stride(self) -> int:
        """How many new tokens are worth a call of `warm`; 0 where none are, or while that is not known."""
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """An engine that can tell its weights from others, under whatever name they go."""

    @property
    def fingerprint(self) -> str: ...


@runtime_checkable
class Monitored(Protocol):
    """An engine on servers, which may go and come back while it lives."""

    async def health(self) -> list[bool]:
        """Whether each of its servers answers, in the order of the reference. Takes seconds at most, raises nothing."""
        ...


def fingerprint(engine: Engine) -> str:
    """16 hex digits that tell models apart, to see whether a profile belongs to a pair.

    From the weights where the engine knows them, else from its name and tokenizer.
    """
    if isinstance(engine, Fingerprinted):
        return engine.fingerprint
    return hashlib.sha256(f"{engine.name} {engine.tokenizer.fingerprint}".encode()).hexdigest()[:16]
