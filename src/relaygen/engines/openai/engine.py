"""The engine: one model behind one or more servers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import anyio

from relaygen.chat import ChatTemplate
from relaygen.engines.base import Params
from relaygen.engines.openai import connect
from relaygen.engines.openai.base import Chunk, Dialect, Span
from relaygen.engines.openai.client import Client, Transport
from relaygen.engines.openai.faults import ServerFault, reading
from relaygen.engines.openai.leg import Leg
from relaygen.engines.openai.reference import parse_reference
from relaygen.engines.openai.replicas import Replica, Replicas
from relaygen.engines.openai.sglang import Sglang, raw, tempers
from relaygen.engines.openai.words import TextTokens
from relaygen.engines.servers import ServerSettings
from relaygen.errors import ContextError, UsageError
from relaygen.sampling import check
from relaygen.tokenizer import Tokenizer
from relaygen.types import Scored, Token
from relaygen.until import Matcher

DRAIN_SECONDS = 1.0
T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What an engine did: requests and those repeated, tokens that came and those of them that came too late, prompt
    tokens sent and those that the servers found in their caches, as far as they tell (in `reports` requests)."""

    requests: int = 0
    repeated: int = 0
    tokens: int = 0
    overrun: int = 0
    prompt: int = 0
    cached: int = 0
    reports: int = 0

    def report(self, cached: int | None) -> None:
        """Counts what a server says about its cache."""
        if cached is not None:
            self.cached += cached
            self.reports += 1


class ServerEngine:
    """Talks to vLLM, SGLang, llama-server, Ollama or any server with OpenAI's completions.

    With a tokenizer, token ids go in and come out. Without one, and on servers that know no ids, text does, and
    `exact` is False. For one event loop at a time.
    """

    def __init__(
        self,
        reference: str,
        settings: ServerSettings | None = None,
        *,
        name: str = "",
        tokenizer: Tokenizer | None = None,
        transport: Transport = None,
        on_close: Callable[[], object] | None = None,
    ) -> None:
        """Asks the servers what they are. `tokenizer` goes before that of the settings; `on_close` is called when the
        engine is freed.

        Raises ModelError when none answers or the tokenizer can't be read, UsageError for settings that don't fit.
        """
        self.settings = settings or ServerSettings()
        parsed = parse_reference(reference)
        self._replicas = Replicas([Client(url, self.settings, transport) for url in parsed.urls])
        self.served = connect.inquire(self._replicas.clients, parsed, self.settings)
        found, self.template = connect.vocabulary(self.settings)
        tokenizer = tokenizer or found
        self.dialect: Dialect = connect.dialect_of(self.served, tokenizer)
        if self.template is None and self.served.template:
            self.template = ChatTemplate(self.served.template)
        self.tokenizer = tokenizer if tokenizer and self.exact else connect.text_vocabulary(tokenizer)
        self.name = name or connect.short_name(parsed.model or self.served.model or parsed.name)
        self.context = self.served.context or connect.TEXT_CONTEXT
        self.counts = Counts()
        self._on_close = on_close
        self._tempered: bool | None = None

    @property
    def exact(self) -> bool:
        """Whether token ids are exchanged, or text."""
        return self.dialect.exact

    @property
    def fingerprint(self) -> str:
        """See `engines.base.fingerprint`. Servers say nothing about weights; the model's name has to do."""
        return hashlib.sha256(f"server {self.name}".encode()).hexdigest()[:16]

    @property
    def stride(self) -> int:
        """See `ReadsAlong.stride`; 0 until a server has said that it found a prompt's tokens in its cache."""
        return self.dialect.stride if self.counts.cached else 0

    @property
    def clients(self) -> list[Client]:
        """One for each server, for probes."""
        return self._replicas.clients

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        """See `Engine.stream`. A request that fails is made again, where nothing was yielded or on another server of
        the same model; what was yielded is never repeated. Raises UsageError when the top-2 can't be had."""
        leg = self._begin(prompt, params, until)
        while not leg.over:
            replica = await self._replica(params.session)
            before = len(leg.written)
            try:
                async with aclosing(self._request(replica, leg)) as tokens:
                    async for token in tokens:
                        yield token
            except ServerFault as fault:
                await self._recover(leg, replica, fault)
            else:
                self._replicas.answered(replica)
                if len(leg.written) == before:
                    leg.over = True

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        """See `Engine.score`. Raises UsageError for a server that can't, and for a text that would be too long."""
        if start < 1:
            raise UsageError(f"Scoring starts at position 1 at the earliest; got {start}.")
        if len(tokens) + 1 > self.context:
            raise ContextError(f"The text has {len(tokens)} tokens, but {self.name} has room for {self.context - 1}.")
        if self.dialect.name == "vllm" and len(tokens) > self.settings.score_tokens:
            raise UsageError(
                f"The text has {len(tokens)} tokens; vLLM may run out of memory when it scores more than "
                f"{self.settings.score_tokens}. Start it with --max-num-batched-tokens 1024 and raise score_tokens."
            )
        if start >= len(tokens):
            return []
        model, session = self.served.model, str(tokens[:32])
        return await self._again(session, lambda client: self.dialect.score(client, model, tokens, start))

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        """See `Engine.warm`; on the server that the generation `session` is on."""
        await self._again(session, lambda client: self.dialect.warm(client, self.served.model, prompt, session))

    async def health(self) -> list[bool]:
        """See `Monitored.health`."""
        return list(await asyncio.gather(*(client.well(self.dialect.health) for client in self._replicas.clients)))

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        for client in self._replicas.clients:
            await client.aclose()
        if self._on_close:
            self._on_close()
            self._on_close = None

    async def _replica(self, session: str) -> Replica:
        """The server for the next request. One that has failed is asked for its health first, if there are others."""
        for _ in range(len(self._replicas) - 1):
            replica = self._replicas.choose(session)
            if not replica.failures or await replica.client.well(self.dialect.health):
                return replica
            self._replicas.failed(replica)
        return self._replicas.choose(session)

    async def _again(self, session: str, call: Callable[[Client], Awaitable[T]]) -> T:
        """A call that has no effect when it fails, and may be made again."""
        attempt = 1
        while True:
            replica = await self._replica(session)
            try:
                with reading(replica.client.url):
                    answer = await call(replica.client)
            except ServerFault as fault:
                if not fault.again or attempt >= self.settings.attempts:
                    raise
                self._replicas.failed(replica, fault.wait)
                self.counts.repeated += 1
                await anyio.sleep(max(self.settings.pause_seconds * 2 ** (attempt - 1), fault.wait))
                attempt += 1
            else:
                self._replicas.answered(replica)
                return answer

    def _begin(self, prompt: Sequence[int], params: Params, until: Matcher | None) -> Leg:
        check(params.sampling)
        if not prompt:
            raise UsageError("The prompt is empty; at least one token is needed.")
        if len(prompt) + 1 > self.context:
            raise ContextError(
                f"The prompt has {len(prompt)} tokens, but {self.name} has a context of {self.context}: shorten the "
                "prompt or start the server with a longer context."
            )
        if params.top and not self.dialect.tops:
            raise UsageError(
                f"{self.name} is served as text and tells no probabilities, which this policy needs; use vLLM, SGLang "
                "or llama-server with a tokenizer."
            )
        return Leg(prompt, params, until, min(params.max_tokens, self.context - len(prompt)))

    async def _request(self, replica: Replica, leg: Leg) -> AsyncGenerator[Token, None]:
        """One request, from where the leg stands."""
        client = replica.client
        if leg.params.top:
            await self._check_raw(client, leg)
        span = leg.span(self.served.model, self.dialect, self.tokenizer)
        self.counts.requests += 1
        self.counts.prompt += len(span.prompt)
        text = TextTokens(self.tokenizer)
        async with aclosing(self.dialect.stream(client, span)) as chunks:
            async for chunk in chunks:
                self._check_prompt(client, chunk, span)
                tokens = chunk.tokens if self.exact else leg.spelled(text, chunk)
                self.counts.tokens += len(tokens)
                self.counts.report(chunk.cached)
                for i, token in enumerate(tokens):
                    leg.take(token)
                    yield token
                    if leg.over:
                        self._overran(leg, len(tokens) - i - 1)
                        break
                leg.read(chunk.finish, exact=self.exact, name=self.name)
                if leg.over:
                    if chunk.finish or leg.ends_with(span):
                        await self._drain(chunks, leg)
                    return

    async def _drain(self, chunks: AsyncGenerator[Chunk, None], leg: Leg) -> None:
        """Reads what the server has to say behind the last token, so that the connection can be used again. One that
        goes on writing is not listened to."""
        with anyio.move_on_after(DRAIN_SECONDS):
            try:
                async for chunk in chunks:
                    self.counts.report(chunk.cached)
                    self._overran(leg, len(chunk.tokens))
                    if chunk.tokens:
                        return
            except ServerFault:
                return  # the text is complete; what the server says now changes nothing

    def _overran(self, leg: Leg, count: int) -> None:
        self.counts.overrun += count
        if leg.params.tally:
            leg.params.tally.overrun += count

    def _check_prompt(self, client: Client, chunk: Chunk, span: Span) -> None:
        if chunk.prompt is not None and list(chunk.prompt) != span.prompt:
            raise ServerFault(
                f"{client.url} changed the prompt's token ids (did it add a beginning of text?), so that what it "
                "writes would not continue them."
            )

    async def _check_raw(self, client: Client, leg: Leg) -> None:
        """Margins need the model's own probabilities, which SGLang may scale."""
        if not isinstance(self.dialect, Sglang) or raw(leg.params.sampling):
            return
        if self._tempered is None:
            self._tempered = await tempers(client, leg.prompt)
        if self._tempered:
            raise UsageError(
                f"{self.name} divides log-probabilities by the temperature; start SGLang with "
                "SGLANG_RETURN_ORIGINAL_LOGPROB=1, or use temperature 0 or 1."
            )

    async def _recover(self, leg: Leg, replica: Replica, fault: ServerFault) -> None:
        """Waits before the next attempt. Raises the fault when there is none."""
        if not fault.again:
            raise fault
        self._replicas.failed(replica, fault.wait)
        leg.faults += 1
        elsewhere = self._replicas.choose(leg.params.session) is not replica
        if leg.over or leg.faults >= self.settings.attempts or (leg.written and not elsewhere):
            raise fault
        self.counts.repeated += 1
        pause = self.settings.pause_seconds * 2 ** (leg.faults - 1)
        await anyio.sleep(0.0 if elsewhere else max(pause, fault.wait))


__all__ = ["Counts", "ServerEngine"]
