"""How a router's network is built and trained."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.errors import UsageError

BASE = 1024  # the width that the published learning rate belongs to


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The defaults are R2R's: 56 million parameters for a hidden size of 1536. A learning rate of 0 is the published
    one, scaled with the width."""

    width: int = BASE
    blocks: int = 6
    epochs: int = 50
    batch: int = 1024
    learning_rate: float = 0.0

    def __post_init__(self) -> None:
        if min(self.width, self.epochs, self.batch) < 1 or min(self.blocks, self.learning_rate) < 0:
            raise UsageError("width, epochs and batch must be at least 1; blocks and learning rate not negative.")

    @property
    def rate(self) -> float:
        return self.learning_rate or 5e-5 * BASE / self.width
