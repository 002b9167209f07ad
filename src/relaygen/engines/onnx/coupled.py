"""What engines made of two models have in common: they stand in large's place, and own neither model."""

from __future__ import annotations

from collections.abc import Sequence

from relaygen.engines.onnx.engine import OnnxEngine
from relaygen.types import Scored


class Coupled:
    """Large, with somebody's help. Closing it does nothing; close the models."""

    def __init__(self, large: OnnxEngine, name: str) -> None:
        self.large, self.name = large, name
        self.tokenizer, self.template, self.context = large.tokenizer, large.template, large.context

    @property
    def fingerprint(self) -> str:
        """That of the large model, in whose place this stands."""
        return self.large.fingerprint

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        """See `Engine.score`; large scores."""
        return await self.large.score(tokens, start)

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        """See `Engine.warm`; large is warmed."""
        await self.large.warm(prompt)

    async def aclose(self) -> None:
        """Does nothing: the models belong to whoever made them."""
