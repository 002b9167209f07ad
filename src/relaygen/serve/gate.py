"""Who may generate now, who waits, who is turned away."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from relaygen.serve.failures import busy, stopping

SMOOTHING = 0.1  # weight of the newest generation in the mean duration
LONGEST_RETRY = 60


class Gate:
    """At most `running` generations at once and `queue` waiting ones; callers take turns by key, not by requests.

    Belongs to one event loop.
    """

    def __init__(self, running: int, queue: int, per_key: int = 0) -> None:
        self.running = 0
        self.draining = False
        self._limit, self._queue, self._per_key = running, queue, per_key
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._mean_seconds = 1.0

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def reserve(self, key: str, count: int) -> Iterator[list[Turn]]:
        """Places for `count` generations; each is entered when it is to begin.

        Raises Refusal: 503 while draining, 429 when the queue or the key has no room for all of them.
        """
        if self.draining:
            raise stopping("The gateway is shutting down.")
        if self._per_key and self._held[key] + count > self._per_key:
            raise busy(f"This key may have {self._per_key} generations at once.", self._retry(), code="key_limit")
        if self._held.total() + count > self._limit + self._queue:
            raise busy("The gateway is full; try again later.", self._retry(), code="queue_full")
        self._held[key] += count
        try:
            yield [Turn(self, key) for _ in range(count)]
        finally:
            self._held[key] -= count
            if not self._held[key]:
                del self._held[key]

    def enter(self, turn: Turn) -> asyncio.Future[None] | None:
        """None when the turn may begin at once, else what to wait for."""
        if self.running < self._limit:
            self.running += 1
            return None
        self._waiting.setdefault(turn.key, deque()).append(turn)
        return asyncio.get_running_loop().create_future()

    def leave(self, seconds: float) -> None:
        """A generation is over; the next key that waits gets its place."""
        self._mean_seconds += SMOOTHING * (seconds - self._mean_seconds)
        self.pass_on()

    def pass_on(self) -> None:
        """Gives a place to the next one that waits, or frees it."""
        while self._waiting:
            key, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[key] = turns  # behind all other keys
            if turn.admit():
                return
        self.running -= 1

    def forget(self, turn: Turn) -> None:
        """A waiting turn whose client has gone."""
        turns = self._waiting.get(turn.key)
        if turns and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[turn.key]

    def _retry(self) -> int:
        """Seconds until a place should be free, from how long generations took."""
        expected = self._mean_seconds * (self.waiting + 1) / self._limit
        return min(max(math.ceil(expected), 1), LONGEST_RETRY)


class Turn:
    """One generation's place. As a context it waits for its turn and frees the place at the end."""

    def __init__(self, gate: Gate, key: str) -> None:
        self.key = key
        self._gate = gate
        self._signal: asyncio.Future[None] | None = None
        self._began = 0.0

    def admit(self) -> bool:
        """Wakes the one that waits; False when it does not wait any more."""
        if self._signal is None or self._signal.done():
            return False
        self._signal.set_result(None)
        return True

    async def __aenter__(self) -> Self:
        self._signal = self._gate.enter(self)
        if self._signal is not None:
            await self._wait(self._signal)
        self._began = time.monotonic()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.leave(time.monotonic() - self._began)

    async def _wait(self, signal: asyncio.Future[None]) -> None:
        try:
            await signal
        except asyncio.CancelledError:
            if signal.done() and not signal.cancelled():
                self._gate.pass_on()  # it was our turn already
            else:
                self._gate.forget(self)
            raise
