"""The load itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import anyio

from relaygen.evals.bench.targets import Measured, Target


class Loop(NamedTuple):
    """All requests of one load, and how long they took together."""

    requests: list[Measured]
    seconds: float


async def closed_loop(
    target: Target,
    prompts: Sequence[str],
    concurrency: int,
    *,
    first: int = 0,
    observe: Callable[[Measured], None] = lambda measured: None,
) -> Loop:
    """Sends every prompt once, `concurrency` at a time. `first` numbers the first one, which gives it its seed.

    A request that fails is measured as failed; the others go on.
    """
    waiting = iter(enumerate(prompts, first))
    done: list[Measured] = []

    async def caller() -> None:
        for number, prompt in waiting:  # shared: each caller takes the next one
            measured = await target.ask(prompt, number)
            done.append(measured)
            observe(measured)

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(concurrency):
            group.start_soon(caller)
    return Loop(done, time.perf_counter() - began)
