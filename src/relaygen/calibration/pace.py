"""How fast the pair is: seconds per token of each model and per hand-over, to turn a large share into a speed-up.

Times differ from run to run, so they are printed and drawn but never written to a profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from relaygen.calibration.collect import Tick
from relaygen.calibration.questions import Question
from relaygen.calibration.scoring import Floats
from relaygen.calibration.share import Effect
from relaygen.policies import Policy
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL, Role, Segment, Trace

MOST = 400  # segments that a line is fitted to


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: per token of large alone, per token of each model in the relay, per hand-over in either direction."""

    alone: float
    large: float
    small: float
    handover: float

    def speedup(self, effect: Effect) -> float:
        """Predicted time of large alone over that of the relay, for the same tokens."""
        small_tokens = effect.completion_tokens - effect.large_tokens
        relay = effect.large_tokens * self.large + small_tokens * self.small + effect.switches * self.handover
        return effect.completion_tokens * self.alone / relay if relay else float("nan")


async def measure(
    relay: Relay, policy: Policy, asked: Sequence[Question], tick: Tick = lambda done: None
) -> Pace | None:
    """Runs large alone and the relay on the same questions, in turn. None when one of the models wrote nothing."""
    alone, relayed = list[Trace](), list[Trace]()
    for i, question in enumerate(asked):
        options = relay.with_sampling(seed=relay.options.sampling.seed + question.number)
        alone.append(await relay.agenerate(question.text, policy="large", options=options))
        relayed.append(await relay.agenerate(question.text, policy=policy, options=options))
        tick(i + 1)
    return fit(alone, relayed)


def fit(alone: Sequence[Trace], relayed: Sequence[Trace]) -> Pace | None:
    """Pace from traces: a robust line through the segments of each model, seconds = hand-over + tokens * pace."""
    tokens = sum(t.usage.completion_tokens for t in alone)
    lines = {role: _line(_after_a_switch(relayed, role)) for role in (LARGE, SMALL)}
    if not tokens or lines[SMALL] is None:
        return None
    per_token = sum(t.seconds for t in alone) / tokens
    large = lines[LARGE] or (0.0, per_token)
    small = lines[SMALL]
    assert small
    return Pace(per_token, large[1], small[1], (large[0] + small[0]) / 2)


def _after_a_switch(traces: Sequence[Trace], role: Role) -> list[Segment]:
    pairs = (pair for trace in traces for pair in pairwise(trace.segments))
    return [after for before, after in pairs if after.role is role and before.role is not role and after.tokens]


def _line(segments: Sequence[Segment]) -> tuple[float, float] | None:
    """Intercept and slope after Theil and Sen, which a few interrupted segments do not move; neither is negative."""
    if not segments:
        return None
    x: Floats = np.array([len(s.tokens) for s in segments[:MOST]], np.float64)
    y: Floats = np.array([s.seconds for s in segments[:MOST]], np.float64)
    i, j = np.triu_indices(len(x), 1)
    different = x[i] != x[j]
    mean_pace = float(y.sum() / x.sum())
    if not different.any():
        return 0.0, mean_pace
    slope = float(np.median((y[j] - y[i])[different] / (x[j] - x[i])[different]))
    start = float(np.median(y - slope * x))
    return (start, slope) if slope > 0 and start >= 0 else (0.0, mean_pace)
