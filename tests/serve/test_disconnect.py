"""A client that goes away leaves nothing running."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.serve.pair import HeldEngine, Live, answer, live, make_relay, play

from relaygen.engines.scripted import ScriptedEngine
from relaygen.serve import ServeSettings

PATIENCE = 30  # seconds until a test gives up on something that should happen at once


@contextmanager
def calling(gateway: Live, **fields: object) -> Iterator[socket.socket]:
    """A request whose answer nobody reads; leaving closes the connection."""
    body = json.dumps({"model": "large", "messages": [{"role": "user", "content": "Hi"}]} | fields).encode()
    place = urlsplit(gateway.url)
    assert place.port
    with socket.create_connection((place.hostname, place.port)) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        yield connection


def until_idle(gateway: Live, running: int = 0, waiting: int = 0) -> None:
    """Waits until so many generations run and wait: none, if not said otherwise."""
    idle = threading.Event()

    def look() -> None:
        gate = gateway.app.state.gateway.gate
        if (gate.running, gate.waiting) == (running, waiting):
            idle.set()
        else:
            asyncio.get_running_loop().call_later(0.001, look)

    assert gateway.loop
    gateway.loop.call_soon_threadsafe(look)
    assert idle.wait(PATIENCE)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_aborts_the_generation(stream: bool) -> None:
    engine = HeldEngine()
    with live(make_relay(large=engine)) as gateway:
        with calling(gateway, stream=stream):
            assert engine.waits.wait(PATIENCE)
        assert engine.over.wait(PATIENCE)
        until_idle(gateway)
        assert engine.produced == 5
        page = httpx2.get(f"{gateway.url}/metrics").text
        assert 'relay:request_aborted_total{model_name="large"} 1.0' in page


def test_it_aborts_all_choices_and_frees_both_models() -> None:
    large, small = HeldEngine(after=40), ScriptedEngine(play)
    with live(make_relay(large=large, small=small)) as gateway:
        with calling(gateway, model="relay", n=4, stream=True):
            assert large.waits.wait(PATIENCE)
        until_idle(gateway)
        assert (large.running, small.running) == (0, 0)


def test_a_waiting_request_that_goes_away_is_forgotten() -> None:
    engine = HeldEngine()
    with live(make_relay(large=engine), ServeSettings(running=1)) as gateway:
        with calling(gateway):
            assert engine.waits.wait(PATIENCE)
            with calling(gateway, stream=True):
                until_idle(gateway, running=1, waiting=1)
            until_idle(gateway, running=1)
        until_idle(gateway)
        assert len(engine.calls) == 1


def test_many_clients_that_vanish_leave_nothing() -> None:
    engine = HeldEngine(after=50)
    with live(make_relay(large=engine)) as gateway:
        for _ in range(30):
            with calling(gateway, stream=True) as connection:
                connection.recv(1)
        until_idle(gateway)
        assert engine.running == 0
        messages = [{"role": "user", "content": "Still there?"}]
        reply = httpx2.post(f"{gateway.url}/v1/chat/completions", json={"model": "small", "messages": messages})
        assert reply.json()["choices"][0]["message"]["content"] == answer("Still there?")
