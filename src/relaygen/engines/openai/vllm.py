"""vLLM: `/v1/completions` with token ids both ways."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

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
from relaygen.types import Sampling, Scored, Token

PREFIX = "token_id:"


def sampling_fields(sampling: Sampling) -> Json:
    """Every field, because servers have defaults of their own and take more from the model's folder."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }


class Vllm:
    """vLLM 0.20 and later."""

    name = "vllm"
    exact = True
    stop_limit = 4  # unless VLLM_MAX_STOP_STRINGS says more, which nobody tells us
    tops = True
    health = "/health"
    stride = 64  # whole blocks alone are kept, and the one token that has to be written costs a step

    async def stream(self, client: Client, span: Span) -> AsyncGenerator[Chunk, None]:
        finished = False
        async with aclosing(client.events("/v1/completions", self._body(span), session=span.session)) as events:
            async for event in events:
                with reading(client.url):
                    chunk = _chunk(client.url, event, span.top)
                finished = finished or bool(chunk.finish)
                yield chunk
        if not finished:
            raise ServerFault(f"{client.url} broke off before the end of its answer.", again=True)

    async def score(self, client: Client, model: str, tokens: Sequence[int], start: int) -> list[Scored]:
        """One request for the whole text: vLLM can't begin in the middle, and reads no cache when it scores."""
        body = {
            "model": model,
            "prompt": list(tokens),
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 2,
            "return_token_ids": True,
        }
        choice = first_choice(await client.call("/v1/completions", body)) or {}
        rows = choice.get("prompt_logprobs") or []
        expect(len(rows) == len(tokens), client.url, "did not score every token")
        return [_scored(client.url, id, row) for id, row in zip(tokens[start:], rows[start:], strict=True)]

    async def warm(self, client: Client, model: str, prompt: Sequence[int], session: str = "") -> None:
        body = {"model": model, "prompt": list(prompt), "max_tokens": 1, "temperature": 0}
        await client.call("/v1/completions", body, session=session)

    async def tokenize(self, client: Client, model: str, text: str) -> list[int] | None:
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        return token_ids((await client.call("/tokenize", body)).get("tokens"))

    async def render(self, client: Client, model: str, messages: list[Json], thinking: bool) -> list[int] | None:
        kwargs = {"enable_thinking": thinking, "thinking": thinking}
        body = {"model": model, "messages": messages, "add_generation_prompt": True, "chat_template_kwargs": kwargs}
        return token_ids((await client.call("/tokenize", body)).get("tokens"))

    async def running(self, client: Client) -> int | None:
        return metric(await client.text("/metrics"), "vllm:num_requests_running")

    def _body(self, span: Span) -> Json:
        """`ignore_eos` leaves the end of sequence to `stop_token_ids`, so that the ids known here decide."""
        return {
            "model": span.model,
            "prompt": span.prompt,
            "stream": True,
            "max_tokens": span.max_tokens,
            **sampling_fields(span.sampling),
            "seed": span.seed,
            "stop_token_ids": list(span.stop_ids),
            "stop": list(span.stop_texts),
            "include_stop_str_in_output": True,
            "ignore_eos": bool(span.stop_ids),
            "skip_special_tokens": False,
            "logprobs": span.top,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "stream_options": {"include_usage": True},
        }


def _chunk(server: str, event: Json, top: int) -> Chunk:
    choice = first_choice(event)
    if choice is None:
        return Chunk(cached=cached_tokens(event))
    ids = token_ids(choice.get("token_ids"))
    expect(ids is not None or bool(choice.get("finish_reason")), server, "sent no token ids; a newer vLLM is needed")
    ids = ids or []
    logprobs = choice.get("logprobs") or {}
    chosen = logprobs.get("token_logprobs") or []
    tops = logprobs.get("top_logprobs") or []
    expect(len(chosen) >= len(ids) and (not top or len(tops) >= len(ids)), server, "sent no log-probabilities")
    tokens = tuple(Token(id, number(chosen[i]), most_probable(_named(tops[i]), top)) for i, id in enumerate(ids))
    return Chunk(
        tokens, _finish(server, choice), prompt=token_ids(choice.get("prompt_token_ids")), cached=cached_tokens(event)
    )


def _finish(server: str, choice: Json) -> str:
    reason = choice.get("finish_reason")
    if reason not in (None, "length", "stop"):  # abort, error
        raise gave_up(server, reason)
    if reason != "stop":
        return reason or ""
    return "eos" if choice.get("stop_reason") is None else "stop"


def _named(row: Json | None) -> dict[int, float]:
    """Candidates written as `token_id:123`."""
    return {int(key.removeprefix(PREFIX)): number(value) for key, value in (row or {}).items()}


def _scored(server: str, id: int, row: Any) -> Scored:
    expect(isinstance(row, dict) and str(id) in row, server, "scored another text than it was given")
    candidates = {int(key): number(value["logprob"]) for key, value in row.items()}
    return Scored(id, candidates[id], most_probable(candidates))
