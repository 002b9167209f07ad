"""An event loop whose time stands still while there is work and jumps to the next timer when there is none.

Time-outs are then exact and cost nothing, however busy the machine is. For code without sockets and threads.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any


class Skipping(asyncio.SelectorEventLoop):
    """`time()` begins at 0."""

    _ready: Any  # what the base class calls its queues
    _scheduled: Any
    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        waiting = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if not self._ready and waiting:
            self._now = max(self._now, min(waiting))
            if self._now == math.inf:
                raise RuntimeError("nothing will ever happen again")
        super()._run_once()  # type: ignore[misc]


BACKEND = ("asyncio", {"loop_factory": Skipping})
