"""Model servers that are killed, and clients that vanish, while many generations run. Real processes, real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import anyio
import httpx2
import pytest
from tests.serve.pair import answer, thought
from tests.serve.process import Process, started
from tests.serve.stub import Stub, model_folder

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
MANY, CROWD = 50, 200
PATIENCE = 300  # seconds until a test gives up; a busy machine takes its time with hundreds of generations
PAIR = """
large = "{large}"
small = "{small}"
on_small_failure = "large"
on_large_failure = "{on_large_failure}"
max_tokens = 1000
profile = "qwen3-32b-1.7b"

[large_server]
tokenizer = "{folder}"
pause_seconds = 0.01
connect_seconds = 60

[small_server]
tokenizer = "{folder}"
pause_seconds = 0.01
connect_seconds = 60

[serve]
port = 0
running = 256
health = 1
"""


@dataclass
class Setting:
    """Two model servers and two gateways in front of both; with `fallback` small stands in for large."""

    large: Stub
    small: Stub
    gateway: Process
    fallback: Process


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = model_folder(tmp_path_factory.mktemp("stub"))
    with ExitStack() as stack:
        large, small = Stub(), Stub()
        for stub in (large, small):
            stack.callback(stub.kill)
        gateways = [stack.enter_context(served(folder, large, small, end)) for end in ("error", "small")]
        yield Setting(large, small, *gateways)


@pytest.fixture
def setting(around: Setting) -> Iterator[Setting]:
    """Both servers are there and hold nothing back; at the end they are again."""
    yield around
    for stub in (around.large, around.small):
        if stub.process.poll() is not None:
            stub.start()
        stub.go()
    until(lambda: state(around.gateway)["status"] == state(around.fallback)["status"] == "ready")


def served(folder: Path, large: Stub, small: Stub, on_large_failure: str) -> Any:
    config = folder / f"{on_large_failure}.toml"
    text = PAIR.format(large=large.url, small=small.url, folder=folder, on_large_failure=on_large_failure)
    config.write_text(text)
    return started(["-m", "relaygen", "serve", "--config", str(config)])


def until(condition: Callable[[], bool]) -> None:
    """Asks again and again, but not for ever."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about"


def state(gateway: Process) -> dict[str, Any]:
    """What /ready says; 503 is an answer too."""
    try:
        answered = urlopen(f"{gateway.url}/ready", timeout=PATIENCE)
    except HTTPError as error:
        answered = error
    with answered:
        found = json.load(answered) | {"code": answered.status}
    assert isinstance(found, dict)
    return found


@dataclass
class Reply:
    """What a client got."""

    status: int
    error: str = ""
    reasoning: str = ""
    content: str = ""
    relay: Any = None

    @property
    def exact(self) -> tuple[str, str]:
        return self.reasoning, self.content


async def ask(http: httpx2.AsyncClient, question: str, stream: bool) -> Reply:
    body = {"model": "relay", "messages": [{"role": "user", "content": question}], "stream": stream}
    response = await http.post("/v1/chat/completions", json=body | {"stream_options": {"include_usage": True}})
    if not stream:
        found = response.json()
        if "error" in found:
            return Reply(response.status_code, found["error"]["message"])
        message = found["choices"][0]["message"]
        return Reply(200, "", message["reasoning_content"], message["content"], found["usage"]["relay"])
    *events, done = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert done == "[DONE]"
    reply = Reply(response.status_code)
    for event in map(json.loads, events):
        reply.error = reply.error or event.get("error", {}).get("message", "")
        reply.relay = (event.get("usage") or {}).get("relay")
        for choice in event.get("choices", ()):
            reply.reasoning += choice["delta"].get("reasoning_content", "")
            reply.content += choice["delta"].get("content", "")
    return reply


async def crowd(gateway: Process, count: int, when_held: Callable[[], None]) -> list[Reply]:
    """Asks `count` questions at once, half of them as streams; does something while all of them wait for a model."""
    replies: dict[int, Reply] = {}
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=PATIENCE, limits=httpx2.Limits()) as http:

        async def one(i: int) -> None:
            replies[i] = await ask(http, f"Question {i}", stream=i % 2 == 0)

        async with anyio.create_task_group() as group:
            for i in range(count):
                group.start_soon(one, i)
            await asyncio.to_thread(when_held)
    return [replies[i] for i in range(count)]


def kill_when_held(stub: Stub, count: int) -> Callable[[], None]:
    def do() -> None:
        until(lambda: stub.held == count)
        stub.kill()

    return do


def expected(count: int) -> list[tuple[str, str]]:
    return [(thought(f"Question {i}"), answer(f"Question {i}")) for i in range(count)]


async def test_the_small_server_is_killed_and_every_answer_is_finished(setting: Setting) -> None:
    setting.small.hold()
    replies = await crowd(setting.gateway, MANY, kill_when_held(setting.small, MANY))
    assert [reply.exact for reply in replies] == expected(MANY)
    assert all(reply.relay["degraded"] for reply in replies)
    until(lambda: state(setting.gateway)["status"] == "degraded")
    setting.small.start()
    until(lambda: state(setting.gateway)["status"] == "ready")
    (again,) = await crowd(setting.gateway, 1, lambda: None)
    assert again.exact == expected(1)[0]
    assert not again.relay["degraded"]


async def test_the_large_server_is_killed_and_every_client_gets_a_clear_error(setting: Setting) -> None:
    setting.large.hold()
    replies = await crowd(setting.gateway, MANY, kill_when_held(setting.large, MANY))
    assert {reply.status for reply in replies[::2]} == {200}  # streams had begun
    assert {reply.status for reply in replies[1::2]} == {502}
    assert all("failed" in reply.error for reply in replies)
    until(lambda: state(setting.gateway)["running"] == 0)
    until(lambda: state(setting.gateway)["code"] == 503)
    setting.large.start()
    until(lambda: state(setting.gateway)["code"] == 200)
    (again,) = await crowd(setting.gateway, 1, lambda: None)
    assert again.exact == expected(1)[0]


async def test_with_a_fallback_the_small_model_finishes_for_the_large_one(setting: Setting) -> None:
    setting.large.hold()
    replies = await crowd(setting.fallback, MANY, kill_when_held(setting.large, MANY))
    assert [reply.exact for reply in replies] == expected(MANY)
    assert all(reply.relay["degraded"] for reply in replies)
    until(lambda: state(setting.fallback)["status"] == "degraded")


def test_clients_that_vanish_leave_nothing_running(setting: Setting) -> None:
    setting.large.hold()
    place = urlsplit(setting.gateway.url)
    with ExitStack() as connections:
        for i in range(CROWD):
            connection = connections.enter_context(socket.create_connection((place.hostname, place.port or 0)))
            body = {"model": "relay", "stream": i % 2 == 0, "messages": [{"role": "user", "content": f"Question {i}"}]}
            sent = json.dumps(body).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(sent)}\r\n\r\n"
            connection.sendall(head.encode() + sent)
        until(lambda: setting.large.held == CROWD)
        setting.small.hold()
        setting.large.go()
        until(lambda: setting.small.held == CROWD)
        assert state(setting.gateway)["running"] == CROWD
    until(lambda: state(setting.gateway)["running"] == 0)
    until(lambda: setting.small.running == setting.large.running == 0)
    with urlopen(f"{setting.gateway.url}/metrics", timeout=PATIENCE) as page:
        assert b"relay:num_requests_running 0.0" in page.read()
