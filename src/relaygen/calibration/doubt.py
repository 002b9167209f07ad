"""From which margin of small's on large had better write: thresholds for the policies `guarded` and `entropy-first`.

One rule for both. Large writes what begins with a margin below the threshold: a token of an offloaded segment, or a
step. The threshold is the lowest at which `catch` of all that small would write differently there is written by large;
a higher one would catch more and cost more of large's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from relaygen.calibration.replay import replay
from relaygen.calibration.scoring import Reading
from relaygen.calibration.share import Effect
from relaygen.calibration.statistics import PLACES, Corpus
from relaygen.policies import Policy
from relaygen.policies.entropy_first import says_nothing
from relaygen.profile import Doubt
from relaygen.types import SMALL
from relaygen.until import Until, paragraph_end, sentence_end, think_end


class Choice(NamedTuple):
    """Something that large can write instead of small: what small's margin is where it begins, how many tokens it has,
    and how many of these small would write differently, in expectation."""

    margin: float
    tokens: int
    disagreements: float


def doubt_of(corpus: Corpus, policy: Policy, effect: Effect, catch: float) -> Doubt | None:
    """The thresholds for these traces; `effect` is what `policy` does without any. None when small has not read."""
    if not corpus.disagrees:
        return None
    found: dict[str, float | None] = {"wanted": catch}
    inside = [choice for reading in corpus.readings for choice in offloaded(policy, reading)]
    found["guarded"] = at = threshold(inside, catch)
    if at is not None:
        found["guarded_share"] = _share(corpus, effect.large_tokens + _below(inside, at))
    for name, until in (("paragraph", paragraph_end()), ("sentence", sentence_end())):
        choices = [choice for reading in corpus.readings for choice in steps(reading, until)]
        found[name] = at = threshold(choices, catch)
        if at is not None:
            found[f"{name}_share"] = _share(corpus, _below(choices, at))
    return Doubt.model_validate(found)


def threshold(choices: list[Choice], catch: float) -> float | None:
    """The lowest margin below which lies the part `catch` of all disagreements; None when there are none."""
    ranked = sorted(choices)
    caught = np.cumsum([choice.disagreements for choice in ranked])
    if not len(caught) or caught[-1] <= 0:
        return None
    at = int(np.searchsorted(caught, catch * caught[-1] * (1 - 1e-9)))
    scale = 10.0**PLACES
    return min((math.floor(ranked[at].margin * scale) + 1) / scale, 1.0)


def offloaded(policy: Policy, reading: Reading) -> Iterator[Choice]:
    """Every token of the reasoning that small would write under `policy`."""
    assert reading.disagreements is not None
    for piece in replay(policy, reading.transcript):
        if piece.role is SMALL and piece.thinking:
            for i in range(piece.start, min(piece.end, len(reading))):
                yield Choice(float(reading.margins[i]), 1, float(reading.disagreements[i]))


def steps(reading: Reading, until: Until) -> Iterator[Choice]:
    """The reasoning in steps that end with `until`, each judged by the first token that says something."""
    assert reading.disagreements is not None
    script, at = reading.transcript, 0
    while at < len(reading):
        if says_nothing(script.words(at, at + 1)):
            at += 1
            continue
        end, _ = script.watch(until | think_end(), at, end=len(reading))
        yield Choice(float(reading.margins[at]), end - at, float(reading.disagreements[at:end].sum()))
        at = end


def _below(choices: list[Choice], at: float) -> int:
    """Tokens of what begins with a margin below `at`."""
    return sum(choice.tokens for choice in choices if choice.margin < at)


def _share(corpus: Corpus, large_tokens: int) -> float:
    return round(large_tokens / corpus.completion_tokens, PLACES)
