"""SGLang: `/v1/completions` for streams, its own `/generate` for candidates' ids and for scoring."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import anyio

from relaygen.engines.openai.base import (
    Chunk,
    Span,
    cached_tokens,
    expect,
    first_choice,
    metric,
    most_probable,
    number,
    token_ids,
)
from relaygen.engines.openai.client import Client, Json
from relaygen.engines.openai.faults import ServerFault, gave_up, reading
from relaygen.engines.openai.vllm import sampling_fields
from relaygen.errors import EngineError
from relaygen.types import GREEDY, Sampling, Scored, Token

WINDOW = 2048  # positions scored per request; the server keeps what came before in its cache
ABORT_SECONDS = 2.0


class Sglang:
    """SGLang 0.5 and later. Its log-probabilities are the model's own only at temperature 0 or 1, or when it was
    started with SGLANG_RETURN_ORIGINAL_LOGPROB=1; elsewhere none are asked for unless the top-2 are."""

    name = "sglang"
    exact = True
    stop_limit = 32
    tops = True
    health = "/health"
    stride = 32

    async def stream(self, client: Client, span: Span) -> AsyncGenerator[Chunk, None]:
        """Aborts with the server's own call before the connection goes: some versions ran on without it."""
        path, body, read = (
            ("/generate", _native(span), _Native(client.url, span.stop_ids, span.top))
            if span.top
            else ("/v1/completions", _completion(span), _Completion(client.url, span.stop_ids))
        )
        finished = False
        async with aclosing(client.events(path, body, session=span.session)) as events:
            try:
                async for event in events:
                    with reading(client.url):
                        chunk = read(event)
                    finished = finished or bool(chunk.finish)
                    yield chunk
            except BaseException:  # reason: the abort must go out first, whatever ended us; nothing is swallowed
                if not finished:
                    await _abort(client, span.id)
                raise
        if not finished:
            raise ServerFault(f"{client.url} broke off before the end of its answer.", again=True)

    async def score(self, client: Client, model: str, tokens: Sequence[int], start: int) -> list[Scored]:
        """In windows: each request reads the cache up to its first position."""
        scored: list[Scored] = []
        for first in range(start, len(tokens), WINDOW):
            scored += await self._window(client, list(tokens[: first + WINDOW]), first)
        return scored

    async def _window(self, client: Client, tokens: list[int], first: int) -> list[Scored]:
        body = {
            "input_ids": tokens,
            "sampling_params": {"max_new_tokens": 0, "temperature": 0},
            "return_logprob": True,
            "logprob_start_len": first - 1,  # the first position that comes back has no value
            "top_logprobs_num": 2,
            "return_text_in_logprobs": False,
        }
        meta = (await client.call("/generate", body)).get("meta_info") or {}
        chosen = (meta.get("input_token_logprobs") or [])[1:]
        tops = (meta.get("input_top_logprobs") or [])[1:]
        ids = [row[1] for row in chosen]
        expect(ids == tokens[first:] and len(tops) == len(ids), client.url, "scored another text than it was given")
        return [
            Scored(row[1], number(row[0]), most_probable(_pairs([*top, row])))
            for row, top in zip(chosen, tops, strict=True)
        ]

    async def warm(self, client: Client, model: str, prompt: Sequence[int], session: str = "") -> None:
        body = {"input_ids": list(prompt), "sampling_params": {"max_new_tokens": 0, "temperature": 0}}
        await client.call("/generate", body, session=session)

    async def tokenize(self, client: Client, model: str, text: str) -> list[int] | None:
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        return (await client.call("/tokenize", body)).get("tokens")

    async def render(self, client: Client, model: str, messages: list[Json], thinking: bool) -> list[int] | None:
        kwargs = {"enable_thinking": thinking, "thinking": thinking}
        body = {"model": model, "messages": messages, "chat_template_kwargs": kwargs}
        return (await client.call("/tokenize", body)).get("tokens")

    async def running(self, client: Client) -> int | None:
        return metric(await client.text("/metrics"), "sglang:num_running_reqs")


def raw(sampling: Sampling) -> bool:
    """Whether log-probabilities are the model's own at this temperature."""
    return sampling.temperature in (0.0, 1.0)


async def tempers(client: Client, prompt: Sequence[int]) -> bool:
    """Whether this server divides log-probabilities by the temperature: one token, greedy and at 0.5, compared."""
    found = []
    for temperature in (GREEDY.temperature, 0.5):
        body = {
            "input_ids": list(prompt),
            "sampling_params": {"max_new_tokens": 1, "temperature": temperature, "top_k": -1},
            "return_logprob": True,
            "top_logprobs_num": 2,
        }
        rows = ((await client.call("/generate", body)).get("meta_info") or {}).get("output_top_logprobs") or []
        expect(bool(rows) and len(rows[0]) >= 2, client.url, "sends no log-probabilities")
        found.append(number(rows[0][0][0]) - number(rows[0][1][0]))
    return abs(found[0] - found[1]) > 0.1 * max(abs(found[0]), 0.1)


def _completion(span: Span) -> Json:
    return {
        "model": span.model,
        "prompt": span.prompt,
        "stream": True,
        "max_tokens": span.max_tokens,
        **sampling_fields(span.sampling),
        "seed": span.seed,
        "stop_token_ids": list(span.stop_ids),
        "stop": list(span.stop_texts),
        "no_stop_trim": True,
        "skip_special_tokens": False,
        "return_token_ids": True,
        "stream_options": {"include_usage": True},
        "rid": span.id,
    } | ({"logprobs": 1} if raw(span.sampling) else {})


def _native(span: Span) -> Json:
    sampling = {
        **sampling_fields(span.sampling),
        "max_new_tokens": span.max_tokens,
        "sampling_seed": span.seed,
        "stop_token_ids": list(span.stop_ids),
        "stop": list(span.stop_texts),
        "no_stop_trim": True,
        "skip_special_tokens": False,
    }
    return {
        "input_ids": span.prompt,
        "sampling_params": sampling,
        "stream": True,
        "rid": span.id,
        "return_logprob": True,
        "top_logprobs_num": span.top,
        "return_text_in_logprobs": False,
    }


class _Completion:
    def __init__(self, server: str, stops: Sequence[int]) -> None:
        self._server, self._stops = server, stops

    def __call__(self, event: Json) -> Chunk:
        choice = first_choice(event)
        if choice is None:
            return Chunk(cached=cached_tokens(event))
        ids = token_ids(choice.get("token_ids"))
        expect(ids is not None or bool(choice.get("finish_reason")), self._server, "sent no token ids")
        chosen = (choice.get("logprobs") or {}).get("token_logprobs") or []
        known = len(chosen) == len(ids or ())
        tokens = tuple(Token(id, number(chosen[i]) if known else 0.0) for i, id in enumerate(ids or ()))
        finish = _finish(self._server, choice.get("finish_reason"), choice.get("matched_stop"), self._stops)
        return Chunk(tokens, finish, prompt=token_ids(choice.get("prompt_token_ids")), cached=cached_tokens(event))


class _Native:
    """Events of `/generate` hold everything so far, or only what is new when the server was started that way."""

    def __init__(self, server: str, stops: Sequence[int], top: int) -> None:
        self._server, self._stops, self._top = server, stops, top
        self._seen = 0

    def __call__(self, event: Json) -> Chunk:
        meta = event.get("meta_info") or {}
        ids = token_ids(event.get("output_ids")) or []
        total = meta.get("completion_tokens", self._seen + len(ids))
        new = ids[self._seen :] if len(ids) == total else ids
        self._seen += len(new)
        chosen, tops = meta.get("output_token_logprobs") or [], meta.get("output_top_logprobs") or []
        enough = len(chosen) >= len(new) and len(tops) >= len(new)
        expect(enough, self._server, "sent no log-probabilities")
        rows = zip(new, chosen[len(chosen) - len(new) :], tops[len(tops) - len(new) :], strict=True)
        tokens = tuple(
            Token(id, number(row[0]), most_probable(_pairs([*top, row]), self._top)) for id, row, top in rows
        )
        reason = meta.get("finish_reason") or {}
        finish = _finish(self._server, reason.get("type"), reason.get("matched"), self._stops)
        return Chunk(tokens, finish, cached=meta.get("cached_tokens"))


def _finish(server: str, reason: Any, matched: Any, stops: Sequence[int]) -> str:
    if reason not in (None, "length", "stop"):  # abort
        raise gave_up(server, reason)
    if reason != "stop":
        return reason or ""
    return "stop" if isinstance(matched, str) or matched in stops else "eos"


def _pairs(rows: Sequence[Sequence[Any]]) -> dict[int, float]:
    """Candidates written as [log-probability, id, text]."""
    return {int(row[1]): number(row[0]) for row in rows}


async def _abort(client: Client, id: str) -> None:
    """The id is unique and of fixed length: the server aborts whatever begins with it."""
    with anyio.CancelScope(shield=True):
        try:
            await client.call("/abort_request", {"rid": id}, seconds=ABORT_SECONDS)
        except EngineError:
            return  # closing the connection, which comes next, is the other way to abort
