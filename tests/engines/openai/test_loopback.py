"""What only real sockets show: a server that notices that we are gone, one that is silent, one that is killed."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.engines.openai.fakes import TOKENIZER, settings

from relaygen.engines.base import Params
from relaygen.engines.openai import ServerEngine
from relaygen.engines.openai.faults import ServerFault
from relaygen.errors import ModelError
from relaygen.types import GREEDY

pytestmark = pytest.mark.anyio
PARAMS = Params(max_tokens=1000, sampling=GREEDY, eos=TOKENIZER.eos_ids)
PROMPT = TOKENIZER.encode("abc")


@dataclass(slots=True)
class Endless:
    """Speaks vLLM: writes `count` tokens, then waits until the reader has gone (or ends, when it `ends`)."""

    count: int = 3
    ends: bool = False
    gone: threading.Event = field(default_factory=threading.Event)
    connections: set[Any] = field(default_factory=set)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/v1/models", self.models), Route("/v1/completions", self.complete, methods=["POST"])]
        )

    async def models(self, request: Request) -> Response:
        return JSONResponse({"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 4096}]})

    async def complete(self, request: Request) -> Response:
        self.connections.add(request.client)
        return StreamingResponse(self.events(), media_type="text/event-stream")

    async def events(self) -> AsyncIterator[str]:
        try:
            for i in range(self.count):
                last = self.ends and i == self.count - 1
                logprobs = {"token_logprobs": [-0.1], "top_logprobs": [{}]}
                choice = {"token_ids": [256 if last else 97], "logprobs": logprobs}
                yield f"data: {json.dumps({'choices': [choice | ({'finish_reason': 'stop'} if last else {})]})}\n\n"
            if self.ends:
                yield "data: [DONE]\n\n"
            else:
                await anyio.sleep_forever()
        finally:
            if not self.ends:
                self.gone.set()


@contextmanager
def serving(app: Starlette, **tls: Any) -> Iterator[str]:
    """The app on a free port of loopback, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", **tls))
    started = threading.Event()
    startup = server.startup

    async def start(*sockets: Any, **more: Any) -> None:
        await startup(*sockets, **more)
        started.set()

    server.startup = start  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(20)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)


async def test_closing_the_stream_ends_the_request() -> None:
    endless = Endless()
    with serving(endless.app) as url:
        engine = ServerEngine(url, settings(), tokenizer=TOKENIZER)
        stream = engine.stream(PROMPT, PARAMS)
        await anext(stream)
        await stream.aclose()
        assert await anyio.to_thread.run_sync(endless.gone.wait, 20)
        await engine.aclose()


async def test_cancelling_the_reader_ends_the_request() -> None:
    endless = Endless()
    with serving(endless.app) as url:
        engine = ServerEngine(url, settings(), tokenizer=TOKENIZER)
        with anyio.CancelScope() as scope:
            async for _ in engine.stream(PROMPT, PARAMS):
                scope.cancel()
        assert await anyio.to_thread.run_sync(endless.gone.wait, 20)
        await engine.aclose()


async def test_a_stall_ends_with_the_time_out_and_frees_the_server() -> None:
    endless = Endless()
    with serving(endless.app) as url:
        engine = ServerEngine(url, settings(token_seconds=0.1), tokenizer=TOKENIZER)
        with pytest.raises(ServerFault, match=r"sent no token for 0\.1 s"):
            _ = [token async for token in engine.stream(PROMPT, PARAMS)]
        assert await anyio.to_thread.run_sync(endless.gone.wait, 20)
        await engine.aclose()


async def test_a_connection_serves_many_segments() -> None:
    endless = Endless(ends=True)
    with serving(endless.app) as url:
        engine = ServerEngine(url, settings(), tokenizer=TOKENIZER)
        for _ in range(5):
            assert len([token async for token in engine.stream(PROMPT, PARAMS)]) == 3
        await engine.aclose()
    assert len(endless.connections) == 1


def test_an_engine_moves_from_one_event_loop_to_the_next() -> None:
    endless = Endless(ends=True)
    with serving(endless.app) as url:
        engine = ServerEngine(url, settings(), tokenizer=TOKENIZER)

        async def once() -> int:
            count = len([token async for token in engine.stream(PROMPT, PARAMS)])
            await engine.aclose()
            return count

        assert [anyio.run(once), anyio.run(once)] == [3, 3]


async def test_a_server_that_is_gone_is_told_and_one_that_is_back_is_used() -> None:
    with serving(Endless(ends=True).app) as url:
        engine = ServerEngine(url, settings(attempts=1), tokenizer=TOKENIZER)
        assert len([token async for token in engine.stream(PROMPT, PARAMS)]) == 3
    with pytest.raises(ServerFault, match=r"can't be reached|broke off"):
        _ = [token async for token in engine.stream(PROMPT, PARAMS)]
    await engine.aclose()


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """A certificate for 127.0.0.1 that nobody has signed, and its key."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("needs openssl to make a certificate")
    key, file = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", *kind, *name, "-keyout", key, "-out", file], check=True, capture_output=True)
    return {"ssl_keyfile": key, "ssl_certfile": file}


async def test_certificates_are_checked_unless_that_is_switched_off(certificate: dict[str, str]) -> None:
    with serving(Endless(ends=True).app, **certificate) as url:
        with pytest.raises(ModelError, match="can't be reached"):
            ServerEngine(url, settings(), tokenizer=TOKENIZER)
        for known in (settings(ca_file=certificate["ssl_certfile"]), settings(verify=False)):
            engine = ServerEngine(url, known, tokenizer=TOKENIZER)
            assert len([token async for token in engine.stream(PROMPT, PARAMS)]) == 3
            await engine.aclose()


async def test_no_library_logs_the_key(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("KEY", "sk-planted")
    caplog.set_level(logging.DEBUG)
    with serving(Endless(ends=True).app) as url:
        engine = ServerEngine(url, settings(api_key_env="KEY"), tokenizer=TOKENIZER)
        assert len([token async for token in engine.stream(PROMPT, PARAMS)]) == 3
        await engine.aclose()
    assert caplog.records
    assert "sk-planted" not in caplog.text
