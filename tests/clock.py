"""An event loop whose time stands still while there is work and jumps to the next timer when there is none.

Time-outs are then exact and cost nothing, however busy the machine is. For code without sockets and threads.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Skipping(asyncio.SelectorEventLoop):
    """`time()` begins at 0."""

    _ready: Any  # what the base class calls its queues
    _scheduled: Any
    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


BACKEND = ("asyncio", {"loop_factory": Skipping})
