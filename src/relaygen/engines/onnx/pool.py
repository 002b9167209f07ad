"""The sequences of an engine: who gets which one, and who waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from relaygen.engines.onnx.sequence import CachedSequence


def common_prefix(a: list[int], b: list[int]) -> int:
    """How many leading ids are equal. Compares whole slices, because at a hand-over thousands of them are."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


class Pool:
    """At most `limit` sequences, made when needed. Callers that find all of them busy wait in order of arrival.

    Belongs to one event loop at a time; between runs of different loops it keeps its sequences.
    """

    def __init__(self, make: Callable[[], CachedSequence], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._all: list[CachedSequence] = []
        self._idle: list[CachedSequence] = []  # the least recently used first
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __iter__(self) -> Iterator[CachedSequence]:
        """All sequences, busy or idle."""
        return iter(self._all)

    async def take(self, tokens: list[int]) -> CachedSequence:
        """The sequence that is best for `tokens`, rewound to what it has in common with them."""
        await self._admission()
        sequence = self._choose(tokens)
        sequence.rewind(common_prefix(sequence.tokens, tokens))
        return sequence

    def give_back(self, sequence: CachedSequence) -> None:
        self._idle.append(sequence)
        self._admit_next()

    def close(self) -> None:
        """Lets go of the idle sequences and their memory."""
        self._all.clear()
        self._idle.clear()

    async def _admission(self) -> None:
        if self._taken < self._limit:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._admit_next()  # it was our turn already
            raise

    def _admit_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1

    def _choose(self, tokens: list[int]) -> CachedSequence:
        best = max(self._idle, key=lambda s: common_prefix(s.tokens, tokens), default=None)
        # A sequence that would lose more than it brings stays for the conversation that it belongs to.
        poor = best is None or common_prefix(best.tokens, tokens) * 2 < len(best.tokens)
        if best is None or (poor and len(self._all) < self._limit):
            sequence = self._make()
            self._all.append(sequence)
            return sequence
        self._idle.remove(best)
        return best
