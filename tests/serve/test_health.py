"""Models that go and come back, as /ready and /metrics tell it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx2
import pytest
from tests.serve.pair import BrokenEngine, Live, live, make_relay, play
from tests.serve.test_metrics import readings

from relaygen.engines.scripted import ScriptedEngine
from relaygen.relay import Options, Relay
from relaygen.serve import ServeSettings
from relaygen.serve.health import Health
from relaygen.serve.metrics import Metrics
from relaygen.types import LARGE, SMALL

PATIENCE = 30  # seconds
OPTIONS: Any = {
    "nobody": {},
    "large": {"on_small_failure": "large"},
    "small": {"on_large_failure": "small"},
    "both": {"on_small_failure": "large", "on_large_failure": "small"},
}


class Watched(ScriptedEngine):
    """A scripted model on servers of which the test decides whether they answer."""

    def __init__(self, *servers: bool) -> None:
        super().__init__(play, name="watched")
        self.servers = list(servers)

    async def health(self) -> list[bool]:
        return list(self.servers)


async def state(large: list[bool], small: list[bool], stand_in: str) -> str:
    options = Options(**OPTIONS[stand_in])
    relay = Relay(Watched(*large), Watched(*small), options=options)
    health = Health(relay, Metrics(int, int), seconds=0)
    await health.look()
    assert health.servers == {LARGE: large, SMALL: small}
    return health.state


@pytest.mark.parametrize(
    ("large", "small", "stand_in", "expected"),
    [
        ([True], [True], "nobody", "ready"),
        ([True, False], [False, True], "nobody", "ready"),
        ([True], [False], "nobody", "unavailable"),
        ([True], [False, False], "large", "degraded"),
        ([True], [False], "small", "unavailable"),
        ([False], [True], "small", "degraded"),
        ([False], [False], "both", "unavailable"),
    ],
)
@pytest.mark.anyio
async def test_one_answering_server_or_a_stand_in_is_enough(
    large: list[bool], small: list[bool], stand_in: str, expected: str
) -> None:
    assert await state(large, small, stand_in) == expected


def test_a_model_that_goes_and_comes_back_is_seen_without_a_restart() -> None:
    large = Watched(True, True)
    with live(make_relay(large=large), ServeSettings(health=1)) as gateway:
        assert ready(gateway) == (200, "ready")
        for servers, expected in (([False, False], (503, "unavailable")), ([False, True], (200, "ready"))):
            large.servers = servers
            look(gateway)
            assert ready(gateway) == expected
            found = readings(gateway.url)
            assert [found["relay:engine_up", "watched", "large", str(i)] for i in (0, 1)] == servers
        assert found["relay:engine_up", "scripted:small", "small", "0"] == 1


def test_a_failing_generation_makes_the_gateway_look() -> None:
    broken = Broken()
    with live(make_relay(large=broken), ServeSettings(health=3600)) as gateway:
        assert broken.looked.wait(PATIENCE)
        broken.looked.clear()
        body = {"model": "large", "messages": [{"role": "user", "content": "Hi"}]}
        assert httpx2.post(f"{gateway.url}/v1/chat/completions", json=body).status_code == 502
        assert broken.looked.wait(PATIENCE)


class Broken(BrokenEngine):
    """Fails, and notices when somebody looks after it."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = threading.Event()

    async def health(self) -> list[bool]:
        self.looked.set()
        return [False]


def look(gateway: Live) -> None:
    assert gateway.loop
    asyncio.run_coroutine_threadsafe(gateway.app.state.gateway.health.look(), gateway.loop).result(PATIENCE)


def ready(gateway: Live) -> tuple[int, str]:
    reply = httpx2.get(f"{gateway.url}/ready")
    return reply.status_code, reply.json()["status"]
