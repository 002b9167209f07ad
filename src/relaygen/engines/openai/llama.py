"""llama.cpp's server: its own `/completion`, with token ids both ways."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from relaygen.engines.openai.base import LOWEST, Chunk, Span, expect, metric, most_probable, number, token_ids
from relaygen.engines.openai.client import Client, Json
from relaygen.engines.openai.faults import ServerFault, reading
from relaygen.engines.openai.gaps import Gap, Gaps
from relaygen.errors import UsageError
from relaygen.tokenizer import Tokenizer
from relaygen.types import Scored, Token

SAMPLERS = ["top_k", "top_p", "min_p", "temperature"]
CATCH_UP = 16  # tokens asked for in one piece where a stream has lost some


class Llama:
    """Stateless but for the tokenizer, which the repair of lost ids needs (see gaps.py)."""

    name = "llama-server"
    exact = True
    stop_limit = 64
    tops = True
    health = "/health"
    stride = 16

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    async def stream(self, client: Client, span: Span) -> AsyncGenerator[Chunk, None]:
        """Where ids are missing and can't be told from the text, asks for the next tokens in one piece instead."""
        body = self._body(span)
        gaps = Gaps(self._tokenizer, body["preserved_tokens"])
        written: list[int] = []
        finished = False
        async with aclosing(client.events("/completion", body, session=span.session)) as events:
            async for event in events:
                try:
                    with reading(client.url):
                        chunk = _chunk(client.url, event, span.top, gaps)
                except Gap:
                    break
                written += [token.id for token in chunk.tokens]
                finished = finished or bool(chunk.finish)
                yield chunk
            else:
                if not finished:
                    raise ServerFault(f"{client.url} broke off before the end of its answer.", again=True)
        if not finished:
            yield await self._catch_up(client, span, written)

    async def score(self, client: Client, model: str, tokens: Sequence[int], start: int) -> list[Scored]:
        raise UsageError(
            "llama-server can't score a given text; score with vLLM, SGLang or a local model (relaygen convert)."
        )

    async def warm(self, client: Client, model: str, prompt: Sequence[int], session: str = "") -> None:
        body = {"prompt": list(prompt), "n_predict": 0, "cache_prompt": True}
        await client.call("/completion", body, session=session)

    async def tokenize(self, client: Client, model: str, text: str) -> list[int] | None:
        body = {"content": text, "add_special": False, "parse_special": True}
        return (await client.call("/tokenize", body)).get("tokens")

    async def render(self, client: Client, model: str, messages: list[Json], thinking: bool) -> list[int] | None:
        body = {"messages": messages, "chat_template_kwargs": {"enable_thinking": thinking}}
        return await self.tokenize(client, model, (await client.call("/apply-template", body))["prompt"])

    async def running(self, client: Client) -> int | None:
        return metric(await client.text("/metrics"), "llamacpp:requests_processing")

    def _body(self, span: Span) -> Json:
        """Ids that end the text go in as texts, which this server matches once they are printable."""
        specials = [self._tokenizer.decode([id]) for id in span.stop_ids]
        printable = [text for text in specials if text]
        return {
            "model": span.model,
            "prompt": span.prompt,
            "stream": True,
            "return_tokens": True,
            "n_predict": span.max_tokens,
            "n_probs": max(span.top, 1),
            "cache_prompt": True,
            "temperature": span.sampling.temperature,
            "top_k": span.sampling.top_k,
            "top_p": span.sampling.top_p,
            "min_p": span.sampling.min_p,
            "typical_p": 1.0,
            "xtc_probability": 0.0,
            "dry_multiplier": 0.0,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "samplers": SAMPLERS,
            "seed": span.seed,
            "stop": [*printable, *span.stop_texts],
            "preserved_tokens": printable,
        }

    async def _catch_up(self, client: Client, span: Span, written: list[int]) -> Chunk:
        """The next tokens, without a stream: then none is missing. Their probabilities are not told."""
        left = span.max_tokens - len(written)
        rest = replace(span, prompt=span.prompt + written, max_tokens=min(CATCH_UP, left))
        body = self._body(rest) | {"stream": False, "seed": (span.seed + len(written) + 1) % 2**31}
        answer = await client.call("/completion", body)
        with reading(client.url):
            ids = token_ids(answer.get("tokens")) or []
        expect(bool(ids), client.url, "sent no tokens")
        limited = answer.get("stop_type") == "limit" and rest.max_tokens < left
        return Chunk(tuple(_untold(id, span.top) for id in ids), "cut" if limited else _finish(answer))


def _chunk(server: str, event: Json, top: int, gaps: Gaps) -> Chunk:
    """Raises Gap when ids are missing that the text does not tell."""
    ids = token_ids(event.get("tokens")) or []
    if event.get("stop"):
        cached = (event.get("timings") or {}).get("cache_n")
        return Chunk((), _finish(event), cached=cached)
    expect(len(ids) == 1, server, "sent an event without a token; a newer llama.cpp is needed")
    lost = gaps.lost(ids[0], event.get("content") or "", event.get("tokens_predicted") or 0)
    rows = event.get("completion_probabilities") or []
    expect(bool(rows) and rows[-1].get("id") == ids[0], server, "sent no log-probabilities")
    candidates = {row["id"]: number(row["logprob"]) for row in (*rows[-1].get("top_logprobs", ()), rows[-1])}
    token = Token(ids[0], candidates[ids[0]], most_probable(candidates, top))
    return Chunk((*(_untold(each, top) for each in lost), token))


def _untold(id: int, top: int) -> Token:
    """A token whose probabilities the server keeps to itself: it is taken for certain, which triggers nothing."""
    return Token(id, 0.0, most_probable({id: 0.0, 0 if id else 1: LOWEST}) if top else ())


def _finish(answer: Json) -> str:
    return {"limit": "length", "word": "stop"}.get(answer.get("stop_type", ""), "eos")
