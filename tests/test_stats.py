"""Statistics against scipy's own and against hand computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from relaygen.stats import (
    benjamini_hochberg,
    cluster_bootstrap,
    mcnemar,
    paired_difference,
    ratio_bootstrap,
    wilson,
)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (7, 10), (10, 10), (350, 500)])
def test_wilson_is_the_formula_of_the_textbook(successes: int, n: int) -> None:
    z, p = float(scipy_stats.norm.ppf(0.975)), successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    spread = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert wilson(successes, n) == pytest.approx((centre - spread, centre + spread), abs=1e-12)


def test_nothing_observed_says_nothing() -> None:
    assert wilson(0, 0) == (0, 1)


def test_more_confidence_is_wider() -> None:
    assert wilson(7, 10, 0.99).low < wilson(7, 10, 0.9).low


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (10, 2), (2, 10), (30, 12)])
def test_mcnemar_is_the_two_sided_binomial_test(b: int, c: int) -> None:
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail))


def test_the_bootstrap_of_single_values_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).normal(size=200)
    found = cluster_bootstrap(values.tolist(), range(200), resamples=4000)
    theirs = scipy_stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2)
    assert found == pytest.approx(theirs.confidence_interval, abs=0.012)


def test_the_fast_way_agrees_with_the_plain_one() -> None:
    rng = np.random.default_rng(3)
    clusters = rng.integers(40, size=200).tolist()
    values = [0.3 * (c % 5) + x for c, x in zip(clusters, rng.normal(size=200), strict=True)]
    slow = cluster_bootstrap(values, clusters, statistic=lambda v: float(np.mean(v)), resamples=4000, seed=1)
    assert cluster_bootstrap(values, clusters, resamples=4000) == pytest.approx(slow, abs=0.02)


def test_clusters_count_not_their_copies() -> None:
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    alone = cluster_bootstrap(values, range(8))
    copied = cluster_bootstrap(values * 50, [*range(8)] * 50)
    assert copied == pytest.approx(alone)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.1, 0.5, 0.9, 0.4]
    assert cluster_bootstrap(values, "abcd", seed=5) == cluster_bootstrap(values, "abcd", seed=5)


def test_another_statistic_can_be_given() -> None:
    low, high = cluster_bootstrap([1, 2, 3, 100], range(4), statistic=lambda v: float(np.median(v)))
    assert 1 <= low < high <= 100


def test_a_ratio_of_sums_weighs_by_the_denominator() -> None:
    low, high = ratio_bootstrap([1, 200], [2, 100], ["a", "b"])
    assert (low, high) == (0.5, 2.0)


def test_a_ratio_leaves_out_resamples_without_a_denominator() -> None:
    assert ratio_bootstrap([1, 1], [0, 1], "ab") == pytest.approx((1, 2))
    assert all(math.isnan(x) for x in ratio_bootstrap([1], [0], "a"))


def test_paired_differences_cancel_what_both_share() -> None:
    hard = np.random.default_rng(0).normal(size=100)
    found = paired_difference((hard + 0.5).tolist(), hard.tolist(), range(100))
    assert found.difference == pytest.approx(0.5)
    assert found.interval == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("clusters", [[], ["a"], ["a", "b", "c"]])
def test_values_and_clusters_must_fit(clusters: list[str]) -> None:
    with pytest.raises(ValueError, match="clusters"):
        cluster_bootstrap([1, 2], clusters)
    with pytest.raises(ValueError, match="no values"):
        cluster_bootstrap([], clusters)


def test_pairs_must_fit() -> None:
    with pytest.raises(ValueError, match="do not pair"):
        paired_difference([1], [1, 2], "a")


def test_benjamini_and_hochberg_reject_up_to_the_last_that_passes() -> None:
    # Ranks 1 to 5 at rate 0.05: limits 0.01, 0.02, 0.03, 0.04, 0.05; the third passes and takes the second along.
    assert benjamini_hochberg([0.009, 0.025, 0.028, 0.2, 0.9], 0.05) == [True, True, True, False, False]
    assert benjamini_hochberg([0.9, 0.009], 0.05) == [False, True]
    assert benjamini_hochberg([], 0.05) == []
