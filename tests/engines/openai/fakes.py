"""A server that knows one completion by heart, token by token, in every dialect, and fails when it is told to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import anyio
import anyio.lowlevel
import httpx2

from relaygen.chat import ChatTemplate
from relaygen.engines.openai import ServerEngine
from relaygen.engines.scripted import TEMPLATE, byte_tokenizer
from relaygen.engines.servers import ServerSettings
from relaygen.tokenizer import Tokenizer

Json = dict[str, Any]
TOKENIZER = byte_tokenizer()
EOS = "<|end|>"
OWNERS = {"vllm": "vllm", "sglang": "sglang", "llama-server": "llamacpp", "ollama": "library", "text": "someone"}
PROMPT = "Q: what? A:"
KEY = "sk-planted"  # servers tell it wherever they can
BROKEN = {
    "garbage": f"{{nonsense {KEY}",
    "error": f'{{"error": {{"message": "engine died of {KEY}"}}}}',
    "nonsense": '{"choices": [{"token_ids": "sk-planted"}], "tokens": ["x"], "output_ids": [-5], "meta_info": {}}',
    "abort": '{"choices": [{"token_ids": [], "finish_reason": "abort sk-planted"}],'
    ' "meta_info": {"completion_tokens": 0, "finish_reason": {"type": "abort sk-planted"}}}',
}
BLOCK = 16  # tokens that are cached together
BREAKS = (*BROKEN, "stall", "cut", "end")
EXACT = ("vllm", "sglang", "llama-server")
VLLM_STOPS = 4  # stop texts that vLLM 0.32 takes


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong in one request: status, refused, late (no first byte), echo (of other ids); or, once `after`
    events are out: cut, end, garbage, nonsense, error, abort, stall."""

    kind: str
    after: int = 0
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Answer:
    """What a server writes in one request."""

    ids: list[int]
    finish: str  # length, eos, or what matched
    matched: int | str | None = None


@dataclass(slots=True)
class FakeServer:
    """Continues any prefix of prompt + completion, or, when it is `free`, anything with the alphabet.

    `faults` are used up, one a request, None for a good one. `running` is what the metrics say, and it is `down` for
    those who ask for its health. With a `memory`, which holds what it has read and written, it tells what of a prompt
    it finds there (`hits`: tokens of each prompt, and those that were found); else it makes that up. `sent` counts the
    events of each stream that were read.
    """

    dialect: str
    completion: str
    prompt: str = PROMPT
    group: int = 1
    faults: list[Fault | None] = field(default_factory=list)
    echo_shift: int = 0
    shift: int = 0
    context: int = 4096
    key: str = ""
    free: bool = False
    tokenizer: Tokenizer = TOKENIZER
    caches: bool = True
    memory: list[list[int]] | None = None
    hits: list[tuple[int, int]] = field(default_factory=list)
    running: int = 0
    down: bool = False
    requests: list[Json] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.calls.append(path)
        self.headers.append(dict(request.headers))
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            said = request.headers.get("authorization", "nothing")
            return httpx2.Response(401, json={"error": {"message": f"Incorrect API key: {said}"}})
        if path == "/v1/models":
            return httpx2.Response(200, json={"data": [self._card()]})
        if path == "/props":
            return httpx2.Response(200, json={"default_generation_settings": {"n_ctx": self.context}})
        if path == "/health":
            return httpx2.Response(503 if self.down else 200)
        if path == "/metrics":
            return httpx2.Response(200, text=f"vllm:num_requests_running{{}} {self.running}\n")
        body: Json = json.loads(request.content or b"{}")
        if path == "/tokenize":
            return httpx2.Response(200, json={"tokens": self.tokenizer.encode(body.get("prompt") or rendered(body))})
        if path == "/abort_request":
            self.aborted.append(body["rid"])
            return httpx2.Response(200, json={})
        self.requests.append(body)
        if self.dialect == "vllm" and len(body.get("stop", ())) > VLLM_STOPS:
            return httpx2.Response(400, json={"error": {"message": "List should have at most 4 items"}})
        return self._generate(path, body)

    def _card(self) -> Json:
        return {"id": "fake-model", "owned_by": OWNERS[self.dialect], "max_model_len": self.context}

    def _generate(self, path: str, body: Json) -> httpx2.Response:
        fault = self.faults.pop(0) if self.faults else None
        if fault and fault.kind == "refused":
            raise httpx2.ConnectError(f"refused {KEY}")
        if fault and fault.kind == "status":
            headers = dict(fault.headers)
            return httpx2.Response(fault.status, json={"error": {"message": f"out of luck {KEY}"}}, headers=headers)
        if fault and fault.kind == "late":
            return sleep()  # type: ignore[return-value]  # httpx2 awaits it
        self.shift = int(bool(fault and fault.kind == "echo")) or self.echo_shift
        events = list(self._events(path, body))
        known = self._remember(body)
        if not body.get("stream"):
            return httpx2.Response(200, json=events[-1])
        kind = "application/x-ndjson" if path == "/api/generate" else "text/event-stream"
        return httpx2.Response(200, headers={"content-type": kind}, content=self._lines(path, events, fault, known))

    async def _lines(
        self, path: str, events: list[Json], fault: Fault | None, known: list[int]
    ) -> AsyncIterator[bytes]:
        form = "%s\n" if path == "/api/generate" else "data: %s\n\n"
        self.sent.append(0)
        for i, event in enumerate(events):
            if fault and fault.kind in BREAKS and i == fault.after:
                if fault.kind == "stall":
                    await anyio.sleep_forever()
                if fault.kind == "cut":
                    raise httpx2.ReadError(f"connection lost {KEY}")
                if fault.kind == "end":
                    return
                yield (form % BROKEN[fault.kind]).encode()
                return
            await anyio.lowlevel.checkpoint()
            if path != "/api/generate":
                yield b": keep-alive\n\n"
            known += new_ids(event)
            self.sent[-1] += 1
            yield (form % json.dumps(event)).encode()
        if path.startswith("/v1"):
            yield b"data: [DONE]\n\n"

    def _events(self, path: str, body: Json) -> Iterator[Json]:
        from tests.engines.openai import wires

        return wires.EVENTS[path](self, body)

    def cached(self, prompt: list[int]) -> int:
        """How many of the prompt's ids are in the cache: whole blocks on vLLM, never all of them."""
        block = BLOCK if self.dialect == "vllm" else 1
        if self.memory is None:
            return (len(prompt) - 1) // block * block
        same = ((a == b for a, b in zip(prompt[:-1], known, strict=False)) for known in self.memory)
        return max((sum(accumulate(each, min)) for each in same), default=0) // block * block

    def _remember(self, body: Json) -> list[int]:
        """Counts what is found of a prompt that is to be continued, and begins a new piece of memory."""
        prompt = body.get("prompt", body.get("input_ids"))
        known = list(prompt) if isinstance(prompt, list) else []
        if self.memory is not None:
            if body.get("stream"):
                self.hits.append((len(known), self.cached(known)))
            self.memory.append(known)
        return known

    def answer(self, prompt: list[int] | str, limit: int, stop_ids: list[int], stops: list[str]) -> Answer:
        """What follows the prompt, up to the first stop."""
        given = TOKENIZER.encode(prompt) if isinstance(prompt, str) else prompt
        alphabet = [97 + n % 26 for n in range(len(given), len(given) + limit)]
        whole = given + alphabet if self.free else TOKENIZER.encode(self.prompt + self.completion + EOS)
        assert whole[: len(given)] == given, "the prompt is not a prefix of the text"
        written: list[int] = []
        for id in whole[len(given) :]:
            written.append(id)
            text = TOKENIZER.decode(written)
            if id in stop_ids:
                return Answer(written, "stop", id)
            if found := next((stop for stop in stops if stop in text), None):
                return Answer(written, "stop", found)
            if id in TOKENIZER.eos_ids:
                return Answer(written, "eos")
            if len(written) == limit:
                break
        return Answer(written, "length")


async def sleep() -> httpx2.Response:
    """A server that says nothing at all."""
    await anyio.sleep_forever()
    raise AssertionError("nobody wakes this")


def new_ids(event: Json) -> list[int]:
    """The token ids that an event brings."""
    choice = (event.get("choices") or [{}])[0]
    ids: list[int] = choice.get("token_ids") or event.get("tokens") or event.get("output_ids", [])[-1:]
    return ids


def rendered(body: Json) -> str:
    """A chat in the form of TEMPLATE."""
    thinking = body["chat_template_kwargs"]["enable_thinking"]
    return ChatTemplate(TEMPLATE).render(body["messages"], thinking=thinking)


def settings(**changes: Any) -> ServerSettings:
    """Settings without pauses."""
    return replace(ServerSettings(pause_seconds=0.0, api_key_env=""), **changes)


def engine_on(server: FakeServer, *more: FakeServer, tokenizer: bool = True, **changes: Any) -> ServerEngine:
    """An engine on fake servers, the first at a:1, the second at b:1, …"""
    servers = dict(zip("abcdef", (server, *more), strict=False))
    return ServerEngine(
        ",".join(f"http://{host}:1/v1" for host in servers),
        settings(**changes),
        tokenizer=TOKENIZER if tokenizer else None,
        transport=httpx2.MockTransport(lambda request: servers[request.url.host](request)),
    )
