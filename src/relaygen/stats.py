"""Intervals and tests: what a number of a finite sample is worth. Needs the extra `eval`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from relaygen.errors import MissingExtra

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]
BLOCK = 250  # resamples drawn at once, so that memory stays small with many clusters


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


class Difference(NamedTuple):
    """A mean difference and its interval."""

    difference: float
    interval: Interval


def mean(values: Floats) -> float:
    """The arithmetic mean: the statistic that `cluster_bootstrap` is fast for."""
    return float(np.mean(values))


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a proportion; 0 to 1 when nothing was observed."""
    if n == 0:
        return Interval(0.0, 1.0)
    found = _scipy().binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    statistic: Statistic = mean,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic, resampling whole clusters (a problem with all its epochs).

    Raises ValueError without values, or when there is not one cluster per value.
    """
    if statistic is mean:
        return ratio_bootstrap(
            values, np.ones(len(values)), clusters, resamples=resamples, seed=seed, confidence=confidence
        )
    data, members = _grouped(values, clusters)
    rng = np.random.default_rng(seed)
    parts = [np.flatnonzero(members == k) for k in range(members.max() + 1)]
    draws = rng.integers(len(parts), size=(resamples, len(parts)))
    return _percentiles([statistic(data[np.concatenate([parts[k] for k in draw])]) for draw in draws], confidence)


def ratio_bootstrap(
    numerators: Sequence[float] | Floats,
    denominators: Sequence[float] | Floats,
    clusters: Sequence[Hashable],
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of sum(numerators) / sum(denominators), resampling whole clusters.

    A resample whose denominators sum to zero is left out. Raises as `cluster_bootstrap`.
    """
    above, members = _grouped(numerators, clusters)
    below, _ = _grouped(denominators, clusters)
    sums = np.stack([np.bincount(members, above), np.bincount(members, below)], axis=1)  # clusters × 2
    rng, count = np.random.default_rng(seed), len(sums)
    blocks = [min(BLOCK, resamples - done) for done in range(0, resamples, BLOCK)]
    drawn = np.concatenate([sums[rng.integers(count, size=(b, count))].sum(axis=1) for b in blocks])
    defined = drawn[drawn[:, 1] != 0]
    return _percentiles(defined[:, 0] / defined[:, 1], confidence) if len(defined) else Interval(np.nan, np.nan)


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided p-value of McNemar's test: `b` pairs where only the first is right, `c` only the second."""
    return float(_scipy().binomtest(b, b + c).pvalue) if b + c else 1.0


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Difference:
    """mean(a - b) over pairs with its clustered bootstrap interval. Raises ValueError when `a` and `b` don't pair."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} values do not pair")
    values = np.asarray(a, float) - np.asarray(b, float)
    interval = cluster_bootstrap(values.tolist(), clusters, resamples=resamples, seed=seed, confidence=confidence)
    return Difference(mean(values), interval)


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which hypotheses to reject so that at most `rate` of the rejected are expected to be true."""
    if not p_values:
        return []
    return [bool(p <= rate) for p in _scipy().false_discovery_control(np.asarray(p_values, float))]


def _grouped(values: Sequence[float] | Floats, clusters: Sequence[Hashable]) -> tuple[Floats, NDArray[np.int64]]:
    """The values, and for each the number of its cluster."""
    data = np.asarray(values, float)
    if not len(data):
        raise ValueError("there are no values")
    if len(data) != len(clusters):
        raise ValueError(f"{len(data)} values have {len(clusters)} clusters")
    numbers: dict[Hashable, int] = {}
    return data, np.array([numbers.setdefault(key, len(numbers)) for key in clusters], dtype=np.int64)


def _percentiles(draws: Sequence[float] | Floats, confidence: float) -> Interval:
    low, high = np.quantile(np.asarray(draws), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _scipy() -> Any:
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        raise MissingExtra("scipy", "eval") from error
    return stats
