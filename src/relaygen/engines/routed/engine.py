"""The engine that a small model, a large model and a router make together. It holds no cache of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from relaygen.engines.base import Params, Tally
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.onnx.coupled import Coupled
from relaygen.engines.onnx.engine import HandOver
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import Generation, Stop
from relaygen.engines.routed.draw import RoutedDraw
from relaygen.engines.routed.router import Router
from relaygen.errors import UsageError
from relaygen.sampling import Sampler
from relaygen.types import Token
from relaygen.until import Matcher


class RoutedEngine(Coupled):
    """R2R: small draws every token, and where the router expects it to part from large's way, large draws instead.

    Tokens say who wrote them. Both models stay usable, and the sequences that are used here are theirs; large reads
    what small has written when it is asked next. Closing this engine does nothing; close the two.
    """

    def __init__(self, large: OnnxEngine, small: OnnxEngine, router: Router, *, threshold: float | None = None) -> None:
        """Without a `threshold` it is the router's own; 0 gives every token to large.

        Raises UsageError when the threshold is out of range, small does not give its hidden states or they don't fit
        the router, or the models have different vocabularies.
        """
        self.threshold = router.record.threshold if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"The threshold of routed must be between 0 and 1, not {self.threshold}.")
        if small.tokenizer.fingerprint != large.tokenizer.fingerprint:
            raise UsageError(f"{small.name} and {large.name} can't be routed, because their vocabularies differ.")
        small.require_hidden_states(router.record.hidden_size)
        super().__init__(large, f"{small.name} routed to {large.name}")
        self.small, self._router = small, router

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        """See `Engine.stream`. `params.tally` counts the tokens of small that large replaced."""
        draw = Sampler(params.sampling, top=params.top, candidates=params.candidates)
        tally = params.tally or Tally()

        def run(
            hand_over: HandOver, tokens: list[int], limit: int, stop: Stop, large: CachedSequence, small: CachedSequence
        ) -> list[Token]:
            routed = RoutedDraw(draw, self._router, self.threshold, large, small, stop, tally)
            return Generation(tokens, params, limit, until, routed, hand_over).run(small, stop)

        limit = min(params.max_tokens, self.small.context - len(prompt))
        async with aclosing(self.large.produce(prompt, limit, run, self.small)) as tokens:
            async for token in tokens:
                yield token

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        """See `Engine.warm`; small is warmed, which writes the first token."""
        await self.small.warm(prompt)
