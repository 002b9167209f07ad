"""What a router sees at each position, and what it should say there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from relaygen.calibration.collect import Tick
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.routed.router import highest
from relaygen.routing.labels import Labelled
from relaygen.sampling import Logits


@dataclass(frozen=True, slots=True)
class Examples:
    """n positions: small's hidden states float16 [n, size], its tokens [n], its highest logits float32 [n, top] in
    falling order, and whether the token leads elsewhere [n]."""

    hidden: NDArray[np.float16]
    tokens: NDArray[np.int64]
    logits: Logits
    divergent: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Self:
        """All examples of the parts, in order."""

        def column(name: str) -> Any:
            return np.concatenate([getattr(part, name) for part in parts])

        return cls(*(column(name) for name in ("hidden", "tokens", "logits", "divergent")))


async def examples(
    small: OnnxEngine, labelled: Sequence[Labelled], top: int, tick: Tick = lambda done: None
) -> list[Examples]:
    """The examples of each trace, from one reading of it. Positions that nobody could judge are left out."""
    found = []
    for trace in labelled:
        found.append(await _of_trace(small, trace, top))
        tick(len(found))
    return found


async def _of_trace(small: OnnxEngine, labelled: Labelled, top: int) -> Examples:
    trace = labelled.trace
    eos = min(small.tokenizer.eos_ids)
    pieces = await small.observe(
        [*trace.prompt, *trace.tokens],
        len(trace.prompt) - 1,
        lambda logits, hidden: (hidden.astype(np.float16), highest(logits, top)),
    )
    tokens = np.array([*trace.tokens, eos], np.int64)
    divergent = np.zeros(len(tokens), np.bool_)
    known = np.ones(len(tokens), np.bool_)
    for difference in labelled.differences:
        tokens[difference.position] = difference.token
        divergent[difference.position] = bool(difference.divergent)
        known[difference.position] = difference.divergent is not None
    hidden, logits = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return Examples(hidden[known], tokens[known], logits[known], divergent[known])
