"""What can be put under load: a policy in this process, or an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx2

from relaygen.errors import EngineError
from relaygen.policies import Policy
from relaygen.relay import Options, Relay
from relaygen.types import Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One request. Times are in seconds from sending it; `error` says why it failed, and then nothing else counts."""

    seconds: float = 0.0
    first_token: float | None = None
    tokens: int = 0
    error: str = ""

    @property
    def per_token(self) -> float | None:
        """Seconds per token after the first one."""
        if self.first_token is None or self.tokens < 2:
            return None
        return (self.seconds - self.first_token) / (self.tokens - 1)


class Target(Protocol):
    """Answers one request after another, several at once."""

    async def ask(self, prompt: str, number: int) -> Measured:
        """Sends one prompt and waits for the end of the answer. Never raises what the other side did wrong."""
        ...


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """A policy on a pair of models, as `relaygen run` uses it."""

    relay: Relay
    policy: Policy
    options: Options

    async def ask(self, prompt: str, number: int) -> Measured:
        """See `Target.ask`."""
        sampling = replace(self.options.sampling, seed=self.options.sampling.seed + number)
        options = replace(self.options, sampling=sampling)
        began = time.perf_counter()
        try:
            async for event in self.relay.stream(prompt, policy=self.policy, options=options):
                if isinstance(event, Finished):
                    trace = event.trace
        except EngineError as error:
            return Measured(error=str(error))
        seconds = time.perf_counter() - began
        return Measured(seconds=seconds, first_token=trace.first_token_seconds, tokens=trace.usage.completion_tokens)


class EndpointTarget:
    """`POST {url}/chat/completions`, streamed. Use it as an async context manager."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        parameters: Mapping[str, Any],
        key: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`parameters` go into every request, for example max_tokens."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout, limits = httpx2.Timeout(None, connect=10), httpx2.Limits(max_connections=None)
        self._client = httpx2.AsyncClient(
            base_url=url.rstrip("/") + "/", headers=headers, timeout=timeout, limits=limits, transport=transport
        )
        self._body = {**parameters, "model": model, "stream": True, "stream_options": {"include_usage": True}}

    async def __aenter__(self) -> EndpointTarget:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def ask(self, prompt: str, number: int) -> Measured:
        """See `Target.ask`. Tokens are those of the usage that the server reports."""
        body = self._body | {"messages": [{"role": "user", "content": prompt}]}
        if "seed" in body:
            body["seed"] = body["seed"] + number
        try:
            return await self._ask(body)
        except httpx2.HTTPError as error:
            return Measured(error=str(error) or type(error).__name__)
        except (ValueError, LookupError, TypeError) as error:
            return Measured(error=f"the reply can't be read: {error!r}")

    async def _ask(self, body: dict[str, Any]) -> Measured:
        began = time.perf_counter()
        first: float | None = None
        tokens: int | None = None
        async with self._client.sse("chat/completions", method="POST", json=body) as events:
            if events.response.is_error:
                await events.response.aread()
                return Measured(error=f"status {events.response.status_code}: {events.response.text[:300]}")
            async for event in events:
                if event.data == "[DONE]":
                    break
                chunk = json.loads(event.data)
                if "error" in chunk:
                    return Measured(error=f"the server says: {chunk['error']}")
                if first is None and _writes(chunk):
                    first = time.perf_counter() - began
                tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
        if tokens is None:
            return Measured(error="the server reports no usage; it must support stream_options.include_usage")
        return Measured(seconds=time.perf_counter() - began, first_token=first, tokens=tokens)


def _writes(chunk: Mapping[str, Any]) -> bool:
    """Whether a chunk brings text, be it reasoning or answer."""
    deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or ()]
    return any(delta.get(name) for delta in deltas for name in ("content", "reasoning_content", "reasoning"))
