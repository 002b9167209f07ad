"""Is a cue's difference more than chance? Problems, not tokens, are what was sampled. Needs the extra `eval`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from relaygen.calibration.scoring import Floats
from relaygen.errors import MissingExtra
from relaygen.stats import Interval, ratio_bootstrap

BLOCK = 250  # resamples drawn at once


def difference_interval(
    inside: Floats, outside: Floats, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile interval of mean inside - mean outside, resampling whole problems.

    Both arguments are [problems, 2]: sums and counts. Resamples without any tokens on one side are left out.
    """
    problems = len(inside)
    rng, both = np.random.default_rng(seed), np.concatenate([inside, outside], axis=1)
    blocks = [min(BLOCK, resamples - done) for done in range(0, resamples, BLOCK)]
    chance = np.full(problems, 1 / problems)
    drawn = np.concatenate([rng.multinomial(problems, chance, size=block) @ both for block in blocks])
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    differences = drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3]
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def difference_p_value(inside: Floats, outside: Floats) -> float:
    """One-sided p-value for mean inside <= mean outside; arguments as above, with two problems or more.

    A t-test on the linearised difference of two ratio means, with the variance between problems (n - 1 degrees of
    freedom). Unlike a bootstrap's, it is not bounded below by the number of resamples, which matters for the control
    of the false discovery rate over a hundred candidates and more.
    """
    problems = len(inside)
    mean_in, mean_out = inside[:, 0].sum() / inside[:, 1].sum(), outside[:, 0].sum() / outside[:, 1].sum()
    influence = (inside[:, 0] - mean_in * inside[:, 1]) / inside[:, 1].sum()
    influence = influence - (outside[:, 0] - mean_out * outside[:, 1]) / outside[:, 1].sum()
    error = float(np.sqrt(problems / (problems - 1) * (influence**2).sum()))
    difference = float(mean_in - mean_out)
    if error < 1e-12:  # no variation at all, as a scripted engine may have
        return 0.0 if difference > 1e-12 else 1.0
    return float(_scipy().t.sf(difference / error, problems - 1))


def upper_rate(counts: Floats, *, confidence: float = 0.95, resamples: int = 2000) -> float:
    """Upper end of the interval of a rate; `counts` is [problems, 2]: (expected) events and tokens.

    The larger of a clustered bootstrap's and Wilson's: the bootstrap knows nothing of events that were never seen,
    Wilson nothing of problems.
    """
    events, tokens = counts.sum(axis=0)
    by_problem = ratio_bootstrap(
        counts[:, 0], counts[:, 1], range(len(counts)), confidence=confidence, resamples=resamples
    )
    return max(by_problem.high, _wilson_high(float(events), float(tokens), confidence))


def _wilson_high(events: float, trials: float, confidence: float) -> float:
    """Upper end of Wilson's interval, for expected events too, which need not be whole."""
    z, rate = float(_scipy().norm.ppf((1 + confidence) / 2)), events / trials
    spread = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return (rate + z * z / (2 * trials) + spread) / (1 + z * z / trials)


def _scipy() -> Any:
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        raise MissingExtra("scipy", "eval") from error
    return stats
