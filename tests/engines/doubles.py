"""What the tests of the ONNX engine share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from relaygen.engines import Params
from relaygen.engines.onnx import OnnxEngine
from relaygen.errors import ContextError
from relaygen.types import GREEDY, Token
from relaygen.until import Matcher

PROMPT = list(range(40, 70))
OTHER = list(range(90, 60, -1))


class Probe(Matcher):
    """Counts what it is fed and does something at each token; fires at the token number `last`."""

    def __init__(self, last: int | None = None, then: Callable[[], object] = lambda: None) -> None:
        self.last, self.then = last, then
        self.seen: list[Token] = []

    def feed(self, token: Token) -> bool:
        self.seen.append(token)
        self.then()
        return len(self.seen) == self.last


class Gate:
    """Holds the worker at its first token until it is opened; `reached` says that it is there."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()

    def wait(self) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        self._open.wait()

    def open(self) -> None:
        self._open.set()


async def written(engine: OnnxEngine, prompt: list[int], until: Matcher | None = None, **params: object) -> list[Token]:
    settings = Params(**{"max_tokens": 20, "sampling": GREEDY} | params)  # type: ignore[arg-type]
    return [token async for token in engine.stream(prompt, settings, until)]


async def assert_it_ends_where_it_should(pair: OnnxEngine) -> None:
    """Where `until` fires, where the sequence ends, and where the context of 256 tokens does."""
    free = [token.id for token in await written(pair, PROMPT)]
    probe = Probe(last=3)
    cut = await written(pair, PROMPT, probe)
    assert [t.id for t in cut] == [t.id for t in probe.seen] == free[:3]
    eos = free[6]
    ended = await written(pair, PROMPT, eos=frozenset({eos}))
    assert [t.id for t in ended] == free[: free.index(eos) + 1]
    assert len(await written(pair, [5] * 250, max_tokens=100)) == 6
    with pytest.raises(ContextError):
        await written(pair, [5] * 256)


async def assert_cancelling_frees(pair: OnnxEngine, *models: OnnxEngine) -> None:
    """A call that is cancelled in the middle leaves the engine and its models to others."""
    gate = Gate()
    task = asyncio.create_task(written(pair, PROMPT, Probe(then=gate.wait)))
    await gate.reached.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(gate.open)
    with pytest.raises(asyncio.CancelledError):
        await task
    both = await asyncio.gather(*(written(e, p) for e in (*models, pair) for p in (PROMPT, OTHER)))
    assert set(map(len, both)) == {20}
