"""Turns: how many run, who waits, who comes next."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from relaygen.serve.failures import Refusal
from relaygen.serve.gate import Gate, Turn

pytestmark = pytest.mark.anyio


class Line:
    """Generations that begin when it is their turn and end when they are told."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stack = ExitStack()

    async def add(self, name: str, key: str = "k") -> None:
        (turn,) = self._stack.enter_context(self.gate.reserve(key, 1))
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._run(name, turn))
        await settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks.pop(name)
        await settled()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks.pop(name)])
        await settled()

    async def _run(self, name: str, turn: Turn) -> None:
        async with turn:
            self.begun.append(name)
            await self._ends[name].wait()


async def settled() -> None:
    """Lets all tasks go as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_as_many_run_as_may_and_the_others_wait() -> None:
    gate = Gate(running=2, queue=10)
    line = Line(gate)
    for name in "abc":
        await line.add(name)
    assert (line.begun, gate.running, gate.waiting) == (["a", "b"], 2, 1)
    await line.end("a")
    assert (line.begun, gate.running, gate.waiting) == (["a", "b", "c"], 2, 0)
    await line.end("b")
    await line.end("c")
    assert gate.running == 0


async def test_keys_take_turns_however_many_requests_one_has() -> None:
    line = Line(Gate(running=1, queue=10))
    for name in ("a1", "a2", "a3", "b1", "b2"):
        await line.add(name, key=name[0])
    for name in ("a1", "a2", "b1", "a3"):
        await line.end(name)
    assert line.begun == ["a1", "a2", "b1", "a3", "b2"]
    await line.end("b2")


async def test_who_gives_up_waiting_is_passed_over() -> None:
    gate = Gate(running=1, queue=10)
    line = Line(gate)
    for name in "abc":
        await line.add(name)
    await line.cancel("b")
    assert gate.waiting == 1
    await line.end("a")
    assert line.begun == ["a", "c"]
    await line.cancel("c")
    assert gate.running == 0


async def test_a_turn_that_is_cancelled_when_it_comes_goes_to_the_next() -> None:
    gate = Gate(running=1, queue=10)
    line = Line(gate)
    with gate.reserve("k", 1) as (first,):
        async with first:
            for name in "bc":
                await line.add(name)
        await line.cancel("b")  # the turn is b's, and b has not noticed yet
    assert line.begun == ["c"]
    await line.end("c")
    assert gate.running == 0


async def test_a_full_queue_refuses_with_a_time_to_come_again() -> None:
    gate = Gate(running=1, queue=1)
    with gate.reserve("k", 2), pytest.raises(Refusal) as caught, gate.reserve("k", 1):
        pass
    assert caught.value.status == 429
    assert int(caught.value.headers["retry-after"]) >= 1
    with gate.reserve("k", 2):
        pass


async def test_a_key_has_no_more_than_its_share() -> None:
    gate = Gate(running=10, queue=10, per_key=2)
    with gate.reserve("a", 2):
        with pytest.raises(Refusal, match="This key"), gate.reserve("a", 1):
            pass
        with gate.reserve("b", 2):
            pass


async def test_a_draining_gate_lets_nobody_in() -> None:
    gate = Gate(running=1, queue=1)
    gate.draining = True
    with pytest.raises(Refusal) as caught, gate.reserve("k", 1):
        pass
    assert caught.value.status == 503
