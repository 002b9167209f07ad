"""The relay loop: runs a policy's instructions on two engines.

What holds for every policy is applied here and in `execute.py`, and nowhere else: stop texts, failures and stand-ins
here; budget, end of sequence and a missing `</think>` there; the repetition guard in `run.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from relaygen.errors import EngineError
from relaygen.policies.base import Commit, Instruction, Steps
from relaygen.relay.execute import Executor
from relaygen.relay.standins import StandIns
from relaygen.types import Ended, Ending, Event, Finished, Trace, Written

PATIENCE = 16  # instructions in a row that add no token, after which a policy is going nowhere


class Generation(Executor):
    """One answer in the making. Iterate over `events()` once."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """The relay loop. The last event is `Finished`; raises EngineError, which carries the partial trace."""
        steps, idle, stand_ins = self.policy.run(), 0, StandIns(self.options)
        try:
            while instruction := self._next(steps):
                known = self.record.completion_tokens
                async with aclosing(self._carry_out(instruction, stand_ins)) as events:
                    async for event in events:
                        for certain in self._stops.admit(event):
                            yield certain
                idle = 0 if self.record.completion_tokens > known else idle + 1
                if idle > PATIENCE:
                    raise EngineError(f"The policy {self.policy.name} gave {idle} instructions that wrote nothing.")
        except EngineError as error:
            error.trace = self.record.trace("error")
            raise
        finally:
            steps.close()
            await self._standby.aclose()
        for event in self._rest():
            yield event
        yield Finished(self.trace)

    @property
    def trace(self) -> Trace:
        """What has been written by now."""
        return self.record.trace(self._finish or "aborted")

    def _next(self, steps: Steps) -> Instruction | None:
        if self._stops.found:
            self._finish = "stop"
        if self._finish:
            return None
        try:
            return steps.send(self._result)
        except StopIteration:
            self._finish = "stop"
            return None

    async def _carry_out(self, instruction: Instruction, stand_ins: StandIns) -> AsyncGenerator[Event, None]:
        """Executes an instruction. When a model is gone, the other may do what is left of it; nothing is repeated."""
        while True:
            cast = stand_ins.cast(instruction)
            try:
                async with aclosing(self._execute(cast)) as events:
                    async for event in events:
                        yield event
                return
            except EngineError as error:
                self._blame(cast, error)
                note = stand_ins.replace(cast, error)
                if not note:
                    raise
                self.record.degrade(note)
            for event in self._salvage():
                yield event
            if self._finish or self._stops.found:
                return

    def _blame(self, failed: Instruction, error: EngineError) -> None:
        """Tells the error which model it is about."""
        if not isinstance(failed, Commit) and not error.model:
            error.model = f"The {failed.role} model ({self.engines[failed.role].name})"

    def _salvage(self) -> list[Event]:
        """Closes a piece that a failure has cut off: what was shown stays."""
        ids, role = self.record.open
        if not ids:
            return []
        self.context.append(role, ids)
        return self._conclude(self.record.end(role, Ending.ABORTED, why="failure"))

    def _rest(self) -> Iterator[Event]:
        """What was held back until now, and what only the end tells."""
        if self._stops.found:
            self.record.cut(self._stops.end)
        yield from self._stops.rest()
        if self._stops.found and self.record.last:
            yield Ended(self.record.last)
        if self.record.incomplete and self.record.last:
            yield Written(self.record.last.role, (), self.record.incomplete, self.record.thinking)
