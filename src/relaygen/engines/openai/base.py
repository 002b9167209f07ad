"""What a dialect is: one server's way of saying the same few things."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from relaygen.engines.openai.client import Client, Json
from relaygen.engines.openai.faults import ServerFault
from relaygen.types import Candidate, Sampling, Scored, Token

LOWEST = -9999.0  # what vLLM writes for a log-probability of minus infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One request: continue `prompt` by at most `max_tokens`.

    `stop_ids` and `stop_texts` are where the server may stop by itself. `seed` belongs to this span alone. `text` is
    the prompt as text, for servers that take nothing else; `top` is how many of the most probable tokens are wanted.
    `session` names the generation, `id` this request.
    """

    model: str
    prompt: list[int]
    text: str = ""
    max_tokens: int
    sampling: Sampling
    seed: int
    stop_ids: tuple[int, ...] = ()
    stop_texts: tuple[str, ...] = ()
    top: int = 0
    session: str = ""
    id: str = ""


class Chunk(NamedTuple):
    """One event of a stream.

    `finish`: "" (more to come), "stop" (at one of the span's stops), "eos" (at an end of the server's own), "length",
    "cut" (the dialect wants to go on in a new request). `text` comes from servers that send no ids. `prompt` are the
    prompt's ids as the server read them, `cached` how many of them it had in its cache.
    """

    tokens: tuple[Token, ...] = ()
    finish: str = ""
    text: str = ""
    prompt: Sequence[int] | None = None
    cached: int | None = None


class Dialect(Protocol):
    """How to ask one kind of server. Stateless: the client says which server, the span what for."""

    name: str
    exact: bool
    """Whether token ids go in and come out; if not, text does."""
    stop_limit: int
    """Most stop texts that the server takes."""
    tops: bool
    """Whether the most probable tokens of a position can be had."""
    health: str
    """The path that answers with status 200 when the server can work."""
    stride: int
    """How many new tokens are worth a call of `warm`; 0 where there is no such call."""

    def stream(self, client: Client, span: Span) -> AsyncGenerator[Chunk, None]:
        """Runs a span. Closing it aborts. Raises ServerFault."""
        ...

    async def score(self, client: Client, model: str, tokens: Sequence[int], start: int) -> list[Scored]:
        """See `Engine.score`. Raises UsageError when this server can't."""
        ...

    async def warm(self, client: Client, model: str, prompt: Sequence[int], session: str = "") -> None:
        """See `Engine.warm`."""
        ...

    async def tokenize(self, client: Client, model: str, text: str) -> list[int] | None:
        """The server's own ids of a text, special tokens read as such; None when it can't say."""
        ...

    async def render(self, client: Client, model: str, messages: list[Json], thinking: bool) -> list[int] | None:
        """The server's own rendering of a conversation; None when it can't say."""
        ...

    async def running(self, client: Client) -> int | None:
        """How many requests are in work; None when the server does not say."""
        ...


def first_choice(event: Json) -> Json | None:
    """The choice in an event; None in one that holds only usage."""
    choices = event.get("choices")
    return choices[0] if choices else None


def token_ids(value: Any) -> list[int] | None:
    """The ids in an answer; None where there are none. Raises TypeError for anything that is not a list of ids."""
    if value is None:
        return None
    if not isinstance(value, list) or any(type(id) is not int or id < 0 for id in value):
        raise TypeError("these are no token ids")
    return value


def cached_tokens(event: Json) -> int | None:
    """Prompt tokens that came from the cache, where usage says so."""
    details = (event.get("usage") or {}).get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens")
    return cached if isinstance(cached, int) else None


def most_probable(candidates: Mapping[int, float], count: int = 2) -> tuple[Candidate, ...]:
    """The first of some candidates, ties to the lower id."""
    ranked = sorted(candidates.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Candidate(id, logprob) for id, logprob in ranked[:count])


def expect(condition: bool, server: str, what: str) -> None:
    """Raises ServerFault when an answer is not as its dialect says; trying again would not help."""
    if not condition:
        raise ServerFault(f"{server} {what}.")


def metric(page: str, name: str) -> int | None:
    """The value of a gauge on a Prometheus page, summed over its labels."""
    values = [
        float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if line.startswith(name) and line[len(name) :][:1] in (" ", "{")
    ]
    return int(sum(values)) if values else None


def number(value: Any) -> float:
    """A log-probability from JSON, where minus infinity may stand as null."""
    return LOWEST if value is None else float(value)
