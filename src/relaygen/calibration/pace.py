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
    """Seconds: per token of each model, and per hand-over in either direction (reading what the other one wrote)."""

    large: float
    small: float
    handover: float

    def speedup(self, effect: Effect) -> float:
        """Predicted time of large alone over that of the relay, for the same tokens."""
        small_tokens = effect.completion_tokens - effect.large_tokens
        relay = effect.large_tokens * self.large + small_tokens * self.small + effect.switches * self.handover
        return effect.completion_tokens * self.large / relay if relay else float("nan")


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
    """Pace from traces of large alone and of the relay. Medians throughout, so that a few interruptions do no harm.

    Large's pace comes from its own runs; small's from a line through its segments, seconds = hand-over + tokens * pace;
    large's hand-over from what its segments in the relay took longer than its pace says.
    """
    own = [s for trace in alone for s in trace.segments if s.tokens]
    small, returned = _after_a_switch(relayed, SMALL), _after_a_switch(relayed, LARGE)
    if not own or not small:
        return None
    large = float(np.median(_seconds(own) / _tokens(own)))
    start, pace = _line(_tokens(small), _seconds(small))
    back = float(np.median(_seconds(returned) - large * _tokens(returned))) if returned else start
    return Pace(large, pace, max(start + back, 0.0) / 2)


def _after_a_switch(traces: Sequence[Trace], role: Role) -> list[Segment]:
    pairs = (pair for trace in traces for pair in pairwise(trace.segments))
    return [after for before, after in pairs if after.role is role and before.role is not role and after.tokens][:MOST]


def _tokens(segments: Sequence[Segment]) -> Floats:
    return np.array([len(s.tokens) for s in segments], np.float64)


def _seconds(segments: Sequence[Segment]) -> Floats:
    return np.array([s.seconds for s in segments], np.float64)


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Intercept and slope after Theil and Sen; through the origin where the data would make one of them negative."""
    i, j = np.triu_indices(len(x), 1)
    different = x[i] != x[j]
    if different.any():
        slope = float(np.median((y[j] - y[i])[different] / (x[j] - x[i])[different]))
        start = float(np.median(y - slope * x))
        if slope > 0 and start >= 0:
            return start, slope
    return 0.0, float(np.median(y / x))
