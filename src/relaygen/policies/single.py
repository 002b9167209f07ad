"""The two ends of the scale: one model writes everything. And the simplest relay: small writes the answer alone."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.policies.base import Steps, Write
from relaygen.types import LARGE, SMALL, Role
from relaygen.until import think_end


@dataclass(frozen=True, slots=True)
class Single:
    """`role` writes everything."""

    role: Role

    @property
    def name(self) -> str:
        return self.role.value

    def run(self) -> Steps:
        yield Write(self.role)  # the reasoning stage
        yield Write(self.role)  # the answer stage


@dataclass(frozen=True, slots=True)
class AnswerOnly:
    """Large reasons, small writes the answer: RelayGen without offloading inside the reasoning."""

    name: str = "answer-only"

    def run(self) -> Steps:
        yield Write(LARGE, until=think_end())
        yield Write(SMALL)
