"""Async generators for code that is not async."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from anyio.from_thread import BlockingPortal

T = TypeVar("T")


def iterate(portal: BlockingPortal, stream: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """What `stream` yields. It runs in the portal's event loop, as one task, and does not wait for the reader.

    Leaving early, by closing the iterator or by an exception such as Ctrl-C, cancels the task; it is over when this
    returns.
    """
    items: SimpleQueue[tuple[T] | None] = SimpleQueue()
    over = Event()

    async def pump() -> None:
        try:
            async with aclosing(stream):
                async for item in stream:
                    items.put((item,))
        finally:
            over.set()
            items.put(None)

    task = portal.start_task_soon(pump)
    try:
        while found := items.get():
            yield found[0]
        task.result()
    finally:
        task.cancel()
        over.wait()
