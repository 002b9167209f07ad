"""Async generators in ordinary code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from relaygen.relay.blocking import iterate


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


class Counter:
    """Counts up; knows whether it was closed, and in how many tasks it ran."""

    def __init__(self, limit: int = 10**9, fail_at: int | None = None) -> None:
        self.limit, self.fail_at = limit, fail_at
        self.closed = False
        self.tasks: set[int] = set()

    async def run(self) -> AsyncGenerator[int | None, None]:
        try:
            for i in range(self.limit):
                self.tasks.add(anyio.get_current_task().id)
                await anyio.sleep(0)
                if i == self.fail_at:
                    raise ValueError("enough")
                yield i if i else None
        finally:
            self.closed = True


def test_everything_comes_in_order_even_none(portal: BlockingPortal) -> None:
    counter = Counter(4)
    assert list(iterate(portal, counter.run())) == [None, 1, 2, 3]
    assert counter.closed


def test_it_runs_as_one_task(portal: BlockingPortal) -> None:
    counter = Counter(5)
    list(iterate(portal, counter.run()))
    assert len(counter.tasks) == 1


def test_an_error_comes_after_what_was_yielded(portal: BlockingPortal) -> None:
    items = iterate(portal, Counter(fail_at=2).run())
    assert [next(items), next(items)] == [None, 1]
    with pytest.raises(ValueError, match="enough"):
        next(items)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_leaving_early_closes_the_generator(portal: BlockingPortal, count: int) -> None:
    counter = Counter()
    items = iterate(portal, counter.run())
    for _ in range(count):
        next(items)
    items.close()
    assert counter.closed == bool(count)  # one that was never asked has never begun


def test_an_interrupt_of_the_reader_closes_the_generator(portal: BlockingPortal) -> None:
    counter = Counter()
    items = iterate(portal, counter.run())
    next(items)
    with pytest.raises(KeyboardInterrupt):
        items.throw(KeyboardInterrupt)
    assert counter.closed
