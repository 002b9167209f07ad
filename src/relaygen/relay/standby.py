"""The model that does not write reads along in the background, so that it can go on at once when its turn comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Literal

import anyio

from relaygen.engines.base import Engine, ReadsAlong
from relaygen.policies import Composed, Policy
from relaygen.policies.single import Single
from relaygen.relay.context import Context
from relaygen.types import LARGE, SMALL, Role

Mode = Literal["auto", "warm", "cold"]
STRIDE = 32  # tokens between two calls for an engine that has no opinion but was told to read along
OTHER = {LARGE: SMALL, SMALL: LARGE}
logger = logging.getLogger(__name__)


def mode_of(policy: Policy, asked: Mode) -> Mode:
    """Nobody reads along where one model writes everything."""
    own = policy.policy if isinstance(policy, Composed) else policy
    return "cold" if isinstance(own, Single) else asked


class Standby:
    """Fills caches through `Engine.warm`, for one generation: one call at a time and model, none in its own turn.

    Changes nothing but time. A call that fails is logged (debug) and counted, and that model reads along no more.
    `calls` and `failures` count.
    """

    def __init__(self, engines: Mapping[Role, Engine], context: Context, mode: Mode, session: str) -> None:
        self._engines, self._context, self._session = engines, context, session
        self._least = STRIDE if mode == "warm" else 0
        two = mode != "cold" and engines[LARGE] is not engines[SMALL]
        self._readers = {role for role in engines if two and (self._least or isinstance(engines[role], ReadsAlong))}
        self._writer: Role | None = None
        self._open: list[int] = []  # what the writer has written in this turn
        self._known = dict.fromkeys(Role, 0)  # how much of the context each model has read
        self._tasks: dict[Role, asyncio.Task[None]] = {}
        self.calls = self.failures = 0

    async def turn(self, role: Role) -> None:
        """`role` writes now; the other one reads along from here on."""
        if self._writer:
            self._known[self._writer] = len(self._context.ids(self._writer))
        await self.make_way(role)
        self._writer, self._open = role, []
        self._follow()

    def wrote(self, id: int) -> None:
        """The writer has written a token that stays."""
        self._open.append(id)
        self._follow()

    async def make_way(self, role: Role) -> None:
        """Ends what is done in the background for `role`: its own call goes first.

        Engines keep what they have read by then, which is a prefix of what that call brings.
        """
        await self._end([role])

    async def aclose(self) -> None:
        """Leaves nothing behind. May be called while the generation is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._end(list(self._tasks))

    async def _end(self, roles: list[Role]) -> None:
        tasks = [self._tasks[role] for role in roles if role in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for role in roles:
            self._tasks.pop(role, None)

    def _follow(self) -> None:
        """Starts a call when enough is new to the model that does not write."""
        if self._writer is None or (role := OTHER[self._writer]) not in self._readers:
            return
        stride = self._stride(self._engines[role])
        new = len(self._context.ids(role)) + len(self._open) - self._known[role]
        task = self._tasks.get(role)
        if not stride or new < stride or (task and not task.done()):
            return
        ids = self._context.ahead(role, self._writer, self._open)
        if len(ids) < self._engines[role].context:
            self.calls += 1
            self._tasks[role] = asyncio.create_task(self._warm(role, ids))

    def _stride(self, engine: Engine) -> int:
        own = engine.stride if isinstance(engine, ReadsAlong) else 0
        return own or self._least

    async def _warm(self, role: Role, ids: list[int]) -> None:
        try:
            await self._engines[role].warm(ids, self._session)
        except Exception as error:  # reason: the edge of a background task; whatever it was, the generation goes on
            self._readers.discard(role)
            self.failures += 1
            logger.debug("The %s model (%s) does not read along: %s", role, self._engines[role].name, error)
        else:
            self._known[role] = len(ids)
