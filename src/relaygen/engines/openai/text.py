"""Servers that take and give text: Ollama by its own call, others (LM Studio, …) by `/v1/completions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from relaygen.engines.openai.base import Chunk, Span, cached_tokens, first_choice
from relaygen.engines.openai.client import Client, Json
from relaygen.engines.openai.faults import ServerFault, reading
from relaygen.errors import UsageError
from relaygen.types import Scored


class Text:
    """Any server with OpenAI's completions. No stop texts go in: it would not say whether one ended the text."""

    name = "text"
    exact = False
    stop_limit = 0
    tops = False
    health = "/v1/models"
    stride = 0

    async def stream(self, client: Client, span: Span) -> AsyncGenerator[Chunk, None]:
        body = {
            "model": span.model,
            "prompt": span.text,
            "stream": True,
            "max_tokens": span.max_tokens,
            "temperature": span.sampling.temperature,
            "top_p": span.sampling.top_p,
            "top_k": span.sampling.top_k or -1,
            "min_p": span.sampling.min_p,
            "seed": span.seed,
            "stream_options": {"include_usage": True},
        }
        finished = False
        async with aclosing(client.events("/v1/completions", body, session=span.session)) as events:
            async for event in events:
                with reading(client.url):
                    chunk = _chunk(event)
                finished = finished or bool(chunk.finish)
                yield chunk
        if not finished:
            raise ServerFault(f"{client.url} broke off before the end of its answer.", again=True)

    async def score(self, client: Client, model: str, tokens: Sequence[int], start: int) -> list[Scored]:
        raise UsageError(
            f"A server of the kind {self.name} can't score a text; score with vLLM, SGLang or a local model."
        )

    async def warm(self, client: Client, model: str, prompt: Sequence[int], session: str = "") -> None:
        """Nothing: there is no way to fill the cache that is sure to produce no text."""

    async def tokenize(self, client: Client, model: str, text: str) -> list[int] | None:
        return None

    async def render(self, client: Client, model: str, messages: list[Json], thinking: bool) -> list[int] | None:
        return None

    async def running(self, client: Client) -> int | None:
        return None


def _chunk(event: Json) -> Chunk:
    choice = first_choice(event) or {}
    return Chunk(
        text=str(choice.get("text") or ""), finish=_finish(choice.get("finish_reason")), cached=cached_tokens(event)
    )


def _finish(reason: Any) -> str:
    return "length" if reason == "length" else "eos" if reason else ""


class Ollama(Text):
    """Ollama's `/api/generate`, raw: its `/v1/completions` would put the prompt through the chat template again."""

    name = "ollama"

    async def stream(self, client: Client, span: Span) -> AsyncGenerator[Chunk, None]:
        options = {
            "temperature": span.sampling.temperature,
            "top_k": span.sampling.top_k,
            "top_p": span.sampling.top_p,
            "min_p": span.sampling.min_p,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": span.seed,
            "num_predict": span.max_tokens,
            "stop": [],
        }
        body = {"model": span.model, "prompt": span.text, "raw": True, "stream": True, "shift": False}
        finished = False
        async with aclosing(
            client.events("/api/generate", body | {"options": options}, session=span.session, lines=True)
        ) as events:
            async for event in events:
                finish = _finish(event.get("done_reason") or "stop") if event.get("done") else ""
                finished = finished or bool(finish)
                yield Chunk(text=str(event.get("response") or ""), finish=finish)
        if not finished:
            raise ServerFault(f"{client.url} broke off before the end of its answer.", again=True)

    async def warm(self, client: Client, model: str, prompt: Sequence[int], session: str = "") -> None:
        """Nothing, as above."""
