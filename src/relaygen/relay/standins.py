"""When a model is gone: the other writes in its place, where the caller allows it."""

from __future__ import annotations

import logging
from dataclasses import replace

from relaygen.errors import EngineError
from relaygen.policies.base import Ask, Draft, Insert, Instruction, Read, Write
from relaygen.relay.options import Options
from relaygen.types import LARGE, SMALL, Role

logger = logging.getLogger(__name__)
OTHER = {LARGE: SMALL, SMALL: LARGE}


class StandIns:
    """Who writes for whom, for the rest of one generation."""

    def __init__(self, options: Options) -> None:
        self._allowed = {SMALL: options.on_small_failure == "large", LARGE: options.on_large_failure == "small"}
        self._gone: set[Role] = set()

    def cast(self, instruction: Instruction) -> Instruction:
        """The instruction, given to the model that is there."""
        if isinstance(instruction, Write | Draft | Ask | Read | Insert) and instruction.role in self._gone:
            return replace(instruction, role=OTHER[instruction.role])
        return instruction

    def replace(self, failed: Instruction, error: EngineError) -> str:
        """From now on the other model writes for the one that failed. Returns what the trace notes, "" when there is
        nobody to do it."""
        if not isinstance(failed, Write | Draft | Ask | Read) or not self._allowed[role := failed.role]:
            return ""
        if OTHER[role] in self._gone:
            return ""
        self._gone.add(role)
        logger.warning("%s", error)  # the note may be read by those who should not learn of addresses
        return f"{error.model} failed and the {OTHER[role]} one went on."
