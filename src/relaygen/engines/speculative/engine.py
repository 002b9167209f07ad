"""The engine that a large model and a draft make together. It holds no cache of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from relaygen.engines.base import Params, Tally
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.onnx.coupled import Coupled
from relaygen.engines.onnx.engine import HandOver
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import Stop
from relaygen.engines.speculative.drafts import Drafts, NgramDrafts, Pace, SmallDrafts
from relaygen.engines.speculative.loop import DraftAndVerify
from relaygen.errors import UsageError
from relaygen.sampling import Sampler
from relaygen.types import Sampling, Token
from relaygen.until import Matcher


class SpeculativeEngine(Coupled):
    """Writes what `large` would write, faster: `small` drafts up to `k` tokens, `large` verifies them in one pass.

    Greedy gives large's own tokens; otherwise tokens come from large's distribution, after temperature and filters,
    but from other random numbers than large alone would use. Without `small` drafts are copied from earlier places in
    the context, and a seed gives the tokens that it gives with large alone.

    Both models stay usable, and the sequences that are used here are theirs: what small has cached, it need not read
    again when it drafts. Closing this engine does nothing; close the two.
    """

    def __init__(self, large: OnnxEngine, small: OnnxEngine | None, *, k: int = 8, adaptive: bool = True) -> None:
        """`k` is the most that is drafted at once; with `adaptive`, less while little of it is accepted.

        Raises UsageError when k is out of range or the models have different vocabularies.
        """
        if k not in range(1, 13):
            raise UsageError(f"speculative drafts k = 1 to 12 tokens at once, not {k}.")
        if small is large:
            raise UsageError("speculative needs a second model to draft, or draft='ngram'.")
        if small is not None and small.tokenizer.fingerprint != large.tokenizer.fingerprint:
            raise UsageError(
                f"{small.name} can't draft for {large.name}, because their vocabularies differ; draft='ngram' needs "
                "no second model."
            )
        super().__init__(large, f"{large.name} drafted by {small.name if small else 'n-grams'}")
        self.small = small
        self._pace = Pace(k, adaptive)

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        """See `Engine.stream`. `params.tally` counts the drafts."""
        draw = Sampler(params.sampling, top=params.top, candidates=params.candidates)
        tally = params.tally or Tally()

        def run(
            hand_over: HandOver,
            tokens: list[int],
            limit: int,
            stop: Stop,
            own: CachedSequence,
            others: CachedSequence | None = None,
        ) -> list[Token]:
            drafts = self._drafts(others, params.sampling, stop)
            loop = DraftAndVerify(tokens, params, limit, until, draw, drafts, self._pace, tally, hand_over)
            return loop.run(own, stop)

        async with aclosing(self.large.produce(prompt, params.max_tokens, run, self.small)) as tokens:
            async for token in tokens:
                yield token

    def _drafts(self, sequence: CachedSequence | None, sampling: Sampling, stop: Stop) -> Drafts:
        if self.small is None or sequence is None:
            return NgramDrafts()
        return SmallDrafts(sequence, sampling, self.small.context - 1, stop)
