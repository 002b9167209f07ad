"""What the tests of the ONNX engine share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from relaygen.engines import Params
from relaygen.engines.onnx import OnnxEngine
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
