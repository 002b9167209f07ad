"""A process that judges: what may hang, crash or is not safe in threads runs here, under a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import anyio
from anyio import BrokenWorkerProcess, to_process

from relaygen.errors import ScoringError

T = TypeVar("T")
DEADLINE = 30.0  # seconds for one answer, the start of the process included when it had to be started


class Worker:
    """Runs functions of modules, one after another, in a process that is killed when one takes too long."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self.deadline = deadline
        self._one: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Raises ScoringError when the function fails, its process dies, or the deadline passes."""
        self._one = self._one or anyio.CapacityLimiter(1)
        async with self._one:
            try:
                with anyio.fail_after(self.deadline):
                    found = await to_process.run_sync(_guarded, function, arguments, cancellable=True)
            except TimeoutError:
                raise ScoringError(f"The scorer took more than {self.deadline:g} seconds.") from None
            except BrokenWorkerProcess as error:
                raise ScoringError("The process of the scorer died.") from error
        if isinstance(found, _Failure):
            raise ScoringError(f"The scorer failed: {found.message}")
        return found


class _Failure(NamedTuple):
    message: str


def _guarded(function: Callable[..., T], arguments: tuple[Any, ...]) -> T | _Failure:
    try:
        return function(*arguments)
    except Exception as error:  # reason: the edge of a process; not every exception survives the way to the parent
        return _Failure(f"{type(error).__name__}: {error}")
