"""Which models are there: their servers are asked every few seconds, and soon after a generation met a failing one."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from relaygen.engines import Monitored
from relaygen.relay import Options, Relay
from relaygen.serve.log import say
from relaygen.serve.metrics import Metrics
from relaygen.types import LARGE, SMALL, Role

PAUSE = 0.5  # seconds between two looks, however many generations fail


class Health:
    """The last known state of both models. Models in this process are always there."""

    def __init__(self, relay: Relay, metrics: Metrics, seconds: float) -> None:
        """`seconds` pass between two looks; with 0 nobody looks, and all models count as there."""
        self._relay, self._metrics, self._seconds = relay, metrics, seconds
        self._doubt = asyncio.Event()
        self.servers: dict[Role, list[bool]] = {LARGE: [True], SMALL: [True]}
        """Whether each server of a model answers, in the order of the configuration."""

    @property
    def state(self) -> str:
        """`ready`; `degraded` while one model stands in for the other; `unavailable` when requests would fail."""
        gone = {role for role, servers in self.servers.items() if not any(servers)}
        if not gone:
            return "ready"
        return "degraded" if len(gone) == 1 and gone <= _replaceable(self._relay.options) else "unavailable"

    def doubt(self) -> None:
        """A generation met a failure: time to look."""
        self._doubt.set()

    async def look(self) -> None:
        """Asks all servers once."""
        for role, engine in self._relay.engines.items():
            found = await engine.health() if isinstance(engine, Monitored) else [True]
            if found != self.servers[role]:
                say("servers", role=role, up=found)
            self.servers[role] = found
            self._metrics.set_up(role, engine.name, found)

    async def watch(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await self.look()
            if not self._seconds:
                return
            await asyncio.sleep(min(PAUSE, self._seconds))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._doubt.wait(), self._seconds)
            self._doubt.clear()


def _replaceable(options: Options) -> set[Role]:
    """The models that the other one stands in for."""
    allowed = {LARGE: options.on_large_failure == "small", SMALL: options.on_small_failure == "large"}
    return {role for role, stands_in in allowed.items() if stands_in}
