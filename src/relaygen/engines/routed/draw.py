"""Who writes the token at a position, and which one it is. Runs in a worker thread, on both models' sequences."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from relaygen.engines.base import Tally
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import Stop, newest
from relaygen.engines.routed.router import Router
from relaygen.sampling import Logits, Sampler
from relaygen.types import LARGE, SMALL, Token


@dataclass(slots=True)
class RoutedDraw:
    """Draws from small's logits, and from large's where the router says so.

    `small` has been fed everything in front of the position; `large` is a prefix of that and is fed what it lacks when
    it is needed. A token's seconds are those since the one before it: a token of large includes small's attempt.
    """

    draw: Sampler
    router: Router
    threshold: float
    large: CachedSequence
    small: CachedSequence
    stop: Stop
    tally: Tally
    began: float = field(default_factory=time.perf_counter)

    def __call__(self, logits: Logits, position: int) -> Token:
        """The token at `position` of the completion, given small's logits [vocabulary]."""
        token, role = self.draw(logits, position), SMALL
        if self._diverges(logits, token):
            theirs = newest(self.large, self.small.tokens, self.stop)
            if theirs is not None:
                self.tally.replaced += 1
                token, role = self.draw(theirs, position), LARGE
        now = time.perf_counter()
        seconds, self.began = now - self.began, now
        return token._replace(role=role, seconds=seconds)

    def _diverges(self, logits: Logits, token: Token) -> bool:
        drawn = np.array([token.id], np.int64)
        return bool(self.router(self.small.hidden[-1:], drawn, logits[np.newaxis])[0] >= self.threshold)
