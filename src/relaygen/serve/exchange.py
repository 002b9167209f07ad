"""One request and its reply: runs the generations, streams or collects, and stops them when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from anyio import CancelScope, create_task_group
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from relaygen.errors import RelayError
from relaygen.serve.choice import Choice
from relaygen.serve.chunks import Chunks, EventStream
from relaygen.serve.failures import note, refusal_of, stopping
from relaygen.serve.gate import Turn
from relaygen.serve.job import Job
from relaygen.serve.parts import Part
from relaygen.serve.replies import Format, relay_block, usage
from relaygen.serve.wire import Asked
from relaygen.types import Event

if TYPE_CHECKING:
    from relaygen.serve.gateway import Gateway

COUNTS = ("large_tokens", "small_tokens", "segments", "switches", "large_share", "degraded")
Emit = Callable[[int, Event, list[Part]], Awaitable[None]]


class Exchange:
    """An ASGI response that generates while it is sent."""

    def __init__(self, gateway: Gateway, job: Job, form: Format, asked: Asked, caller: str) -> None:
        self._gateway, self._job, self._form, self._asked, self._caller = gateway, job, form, asked, caller
        keep = not asked.stream
        self._events: EventStream | None = None
        self._choices = [Choice(split=form.chat, tools=job.tools, keep=keep) for _ in range(job.count)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Refusal or RelayError while nothing has been sent; later failures go into the stream."""
        notes = scope["relay"]
        notes |= {"key": self._caller, "model": self._job.chosen.name, "policy": self._job.chosen.policy.name}
        reply = self._stream if self._asked.stream else self._collect
        with self._gateway.gate.reserve(self._caller, self._job.count) as turns:
            try:
                finished = await while_connected(receive, lambda: reply(turns, scope, send))
                notes |= {} if finished else {"gone": True}
            except asyncio.CancelledError:
                # Nobody but the server cancels a request as a whole: what it had to finish has taken too long.
                await self._cut_off(scope)
            finally:
                notes["usage"] = usage(self._job, self._choices)
                if self._gateway.settings.log_text:
                    notes["completions"] = [choice.trace.text for choice in self._choices if choice.trace]

    async def _collect(self, turns: Sequence[Turn], scope: Scope, send: Send) -> None:
        await self._generate(turns, _keep_quiet)
        block = relay_block(self._job, self._choices)
        counts = {f"x-relay-{name.replace('_', '-')}": str(block[name]).lower() for name in COUNTS}
        response = JSONResponse(self._form.whole(self._choices), headers=self._headers() | counts)
        await response(scope, _nothing, send)

    async def _stream(self, turns: Sequence[Turn], scope: Scope, send: Send) -> None:
        self._events = stream = EventStream(send, self._headers())
        chunks = Chunks(self._form, self._asked)

        async def emit(index: int, event: Event, parts: list[Part]) -> None:
            await stream.send(chunks.of(index, self._choices[index], event, parts))

        try:
            await self._generate(turns, emit)
        except RelayError as error:
            if not stream.begun:
                raise
            note(scope, error)
            await stream.send([refusal_of(error).body])
        else:
            await stream.send([self._form.usage_chunk(self._choices)] if self._asked.shows_usage else [])
        await stream.end()

    async def _cut_off(self, scope: Scope) -> None:
        """Says that the answer will not be finished. Raises Refusal (503) while nothing has been sent."""
        refusal = stopping("The gateway was stopped before this answer was finished.")
        if not (self._events and self._events.begun):
            raise refusal
        note(scope, refusal)
        await self._events.send([refusal.body])
        await self._events.end()

    async def _generate(self, turns: Sequence[Turn], emit: Emit) -> None:
        """Runs all generations side by side; the first failure ends the others and is raised."""
        failures: list[RelayError] = []
        choices = list(self._job.choices())

        async def one(index: int, stop: CancelScope) -> None:
            prompt, options = choices[index]
            events = self._gateway.relay.stream(prompt, policy=self._job.chosen.policy, options=options)
            watch = self._gateway.watch(self._job.chosen.label)
            try:
                async with turns[index], aclosing(events):
                    watch.admitted()
                    async for event in events:
                        watch.saw(event)
                        await emit(index, event, self._choices[index].take(event))
            except RelayError as error:
                failures.append(error)
                watch.failed(error)
                stop.cancel()
            finally:
                watch.over()

        async with create_task_group() as group:
            for index in range(len(choices)):
                group.start_soon(one, index, group.cancel_scope)
        if failures:
            raise failures[0]

    def _headers(self) -> dict[str, str]:
        policy = self._job.chosen.policy.name.encode("ascii", "replace").decode()
        whole = {"x-relay-whole": self._job.whole} if self._job.whole else {}
        return {"x-relay-model": self._job.chosen.name, "x-relay-policy": policy} | whole


async def while_connected(receive: Receive, work: Callable[[], Awaitable[None]]) -> bool:
    """Runs `work` and cancels it when the client goes away. True when it ran to its end."""
    failures: list[Exception] = []
    finished = False

    async def listen(stop: CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        stop.cancel()

    async with create_task_group() as group:
        group.start_soon(listen, group.cancel_scope)
        try:
            await work()
            finished = True
        except RelayError as error:
            failures.append(error)
        group.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return finished


async def _keep_quiet(index: int, event: Event, parts: list[Part]) -> None:
    """What is collected goes out at the end."""


async def _nothing() -> Message:
    """A client that says nothing more: the one who listens is `while_connected`."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody resolves this future")
