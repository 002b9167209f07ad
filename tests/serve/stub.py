"""A server of one scripted model, in a process of its own that can be killed: `python stub.py PORT` speaks vLLM.

Every answer stops after a few tokens and waits, once POST /hold says so, until POST /go. GET /state tells how many are
running and how many of them wait.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.serve.pair import play

from relaygen.engines.scripted import EOS, TEMPLATE, byte_tokenizer
from relaygen.serve import ServeSettings, listen

ROOT = Path(__file__).parents[2]
GROUP = 4  # tokens in an event, as vLLM sends them when its reader is slow
HELD_AFTER = 2  # events


def model_folder(folder: Path) -> Path:
    """What a client needs to know about the model: its tokenizer and its template."""
    (folder / "tokenizer.json").write_text(byte_tokenizer()._backend.to_str())
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


class Stub:
    """The server as tests see it."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> int:
        return int(self._state()["running"])

    @property
    def held(self) -> int:
        return int(self._state()["held"])

    def _state(self) -> dict[str, int]:
        with urlopen(f"{self.url}/state", timeout=60) as answered:
            found = json.load(answered)
        assert isinstance(found, dict)
        return found

    def start(self) -> None:
        """Begins to serve, on the same port as before."""
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert self.process.stdout
        with self.process.stdout as said:
            self.port = int(said.readline())

    def hold(self) -> None:
        urlopen(f"{self.url}/hold", data=b"").close()

    def go(self) -> None:
        urlopen(f"{self.url}/go", data=b"").close()

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.kill()
        self.process.wait()


class Server:
    """The server itself."""

    def __init__(self) -> None:
        self.running = self.held = 0
        self._go = asyncio.Event()
        self._go.set()

    @property
    def app(self) -> Starlette:
        posts = {"/v1/completions": self.complete, "/hold": self.hold, "/go": self.go}
        gets = {"/v1/models": self.models, "/health": self.health, "/state": self.state}
        routes = [Route(path, answer, methods=["POST"]) for path, answer in posts.items()]
        return Starlette(routes=[*routes, *(Route(path, answer) for path, answer in gets.items())])

    async def models(self, request: Request) -> Response:
        return JSONResponse({"data": [{"id": "stub", "owned_by": "vllm", "max_model_len": 4096}]})

    async def health(self, request: Request) -> Response:
        return Response()

    async def state(self, request: Request) -> Response:
        return JSONResponse({"running": self.running, "held": self.held})

    async def hold(self, request: Request) -> Response:
        self._go.clear()
        return Response()

    async def go(self, request: Request) -> Response:
        self._go.set()
        return Response()

    async def complete(self, request: Request) -> Response:
        return StreamingResponse(self._events(await request.json()), media_type="text/event-stream")

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[str]:
        self.running += 1
        try:
            for i, event in enumerate(_tokens(body)):
                if i == HELD_AFTER:
                    await self._wait()
                yield f"data: {json.dumps({'choices': [event]})}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            self.running -= 1

    async def _wait(self) -> None:
        self.held += 1
        try:
            await self._go.wait()
        finally:
            self.held -= 1


def _tokens(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a stream."""
    tokenizer = byte_tokenizer()
    line = play(tokenizer.decode(body["prompt"])).text
    ids = [*tokenizer.encode(line), *tokenizer.eos_ids][: body["max_tokens"]]
    stop = next((i for i, id in enumerate(ids) if id in body["stop_token_ids"]), None)
    ids = ids if stop is None else ids[: stop + 1]
    end: dict[str, Any] = {"finish_reason": "length", "stop_reason": None}
    if stop is not None:
        end = {"finish_reason": "stop", "stop_reason": ids[-1]}
    groups = [ids[i : i + GROUP] for i in range(0, len(ids), GROUP)]
    events: list[dict[str, Any]] = [
        {"token_ids": group, "logprobs": _logprobs(len(group)), "finish_reason": None} for group in groups
    ]
    events[-1] |= end
    return events


def _logprobs(count: int) -> dict[str, Any]:
    top = {"token_id:97": -0.1, "token_id:98": -2.4}
    return {"token_logprobs": [-0.1] * count, "top_logprobs": [top] * count}


if __name__ == "__main__":
    with listen(ServeSettings(port=int(sys.argv[1]))) as listener:
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(Server().app, log_level="critical", lifespan="off")).run(sockets=[listener])
