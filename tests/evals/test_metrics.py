"""The numbers of planted logs against hand computations, and intervals against what they promise."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats as scipy_stats
from tests.evals.players import make_result, make_samples, make_trace

from relaygen.evals.metrics import Summary, accuracy, ceiling, summarise, token_cost
from relaygen.evals.rows import Row, last_rows, row_of
from relaygen.evals.types import Failure, Fault, Result
from relaygen.stats import wilson
from relaygen.types import LARGE, SMALL


def row(policy: str, i: int, correct: bool | None = True, *, epoch: int = 0, seconds: float = 1.0, **more: int) -> Row:
    """An answer of one second and ten tokens, large's unless said otherwise."""
    counts: dict[str, Any] = {"tokens": 10, "large_tokens": 0 if policy == "small" else 10} | more
    return Row(
        policy=policy,
        task="even" if i % 2 == 0 else "odd",
        sample=str(i),
        epoch=epoch,
        correct=correct,
        finish="stop",
        seconds=seconds,
        first_token=seconds / 10,
        **counts,
    )


def planted() -> list[Row]:
    """Ten problems. Large is right on 0 to 7, small on 0 to 3, the relay on 0 to 5 and 8."""
    rows: list[Row] = []
    for i in range(10):
        rows.append(row("large", i, i < 8, seconds=2.0))
        rows.append(row("small", i, i < 4, seconds=0.5, small_tokens=10))
        rows.append(row("relay", i, i < 6 or i == 8, seconds=1.6, large_tokens=6, small_tokens=4))
    return rows


def summary_of(rows: Sequence[Row], policy: str) -> Summary:
    return next(summary for summary in summarise(rows) if summary.policy == policy)


def test_accuracy_is_right_over_scored() -> None:
    found = summary_of(planted(), "relay")
    assert found.accuracy is not None
    assert (found.accuracy.correct, found.accuracy.scored, found.accuracy.value) == (7, 10, 0.7)
    assert found.accuracy.wilson == found.accuracy.interval == wilson(7, 10)


def test_the_difference_to_large_is_paired() -> None:
    found = summary_of(planted(), "relay").versus_large
    assert found is not None
    assert found.difference == pytest.approx(-0.1)
    assert (found.n, found.only_first, found.only_second) == (10, 2, 1)
    assert found.p == pytest.approx(scipy_stats.binomtest(1, 3).pvalue)
    assert -0.5 < found.interval.low < -0.1 < found.interval.high < 0.3


@pytest.mark.parametrize(("right", "low", "high"), [(True, -0.278, 0.278), (False, -1, -0.722)])
def test_pairs_that_are_all_alike_still_leave_doubt(right: bool, low: float, high: float) -> None:
    rows = [r for i in range(10) for r in (row("large", i, True), row("p", i, right))]
    found = summary_of(rows, "p").versus_large
    assert found is not None
    assert found.interval == pytest.approx((low, high), abs=0.001)


def test_the_gap_recovered_is_the_way_from_small_to_large() -> None:
    found = summary_of(planted(), "relay").gap_recovered
    assert found is not None
    assert found.value == pytest.approx((0.7 - 0.4) / (0.8 - 0.4))


def test_there_is_no_gap_to_recover_when_large_is_not_better() -> None:
    rows = [r for i in range(4) for r in (row("large", i, False), row("small", i, True), row("relay", i, True))]
    assert summary_of(rows, "relay").gap_recovered is None


def test_the_speed_up_is_a_ratio_of_sums() -> None:
    found = summary_of(planted(), "relay")
    assert found.speed_up is not None
    assert found.speed_up.value == pytest.approx(2.0 / 1.6)
    assert found.speed_up.interval == pytest.approx((1.25, 1.25))
    assert found.per_token == pytest.approx(1.25)


def test_the_ceiling_is_that_of_a_relay_without_overhead() -> None:
    found = summary_of(planted(), "relay")
    expected = 1 / (0.6 + 0.4 * (0.5 / 10) / (2.0 / 10))
    assert found.ceiling == pytest.approx(expected)
    assert found.ceiling_share == pytest.approx(1.25 / expected)


def test_the_cost_of_a_token_comes_from_segments_when_nobody_ran_alone() -> None:
    rows = [row_of(make_result("relay", sample)) for sample in make_samples(2)]
    cost = token_cost({"relay": rows})
    assert cost[LARGE] == pytest.approx(2 * cost[SMALL])
    assert ceiling(0.5, cost) == pytest.approx(1 / 0.75)
    assert ceiling(0.5, {}) is None


def test_times_are_percentiles() -> None:
    rows = [row("large", i, seconds=float(i + 1)) for i in range(101)]
    timing = summary_of(rows, "large").timing
    assert timing is not None
    assert (timing.mean, timing.p50, timing.p95) == pytest.approx((51, 51, 96))
    assert timing.first_token_p50 == pytest.approx(5.1)
    assert timing.tokens_per_second == pytest.approx(1010 / sum(range(1, 102)))


def test_the_split_of_time_adds_up() -> None:
    rows = [row_of(make_result("relay", sample)) for sample in make_samples(3)]
    timing = summary_of(rows, "relay").timing
    assert timing is not None
    assert sum(timing.split) == pytest.approx(1)
    assert timing.split[2] == pytest.approx(0.1)


def test_a_result_becomes_a_row() -> None:
    found = row_of(make_result("relay", make_samples(1)[0]))
    assert (found.tokens, found.large_tokens, found.small_tokens, found.wasted_large) == (10, 6, 4, 1)
    assert (found.segments, found.switches, found.cues, found.finish) == (2, 1, ("Thus",), "stop")
    assert found.relay_seconds == pytest.approx(0.1)


def test_tokens_and_cues_are_summed_up() -> None:
    work = summary_of([row_of(make_result("relay", sample)) for sample in make_samples(3)], "relay").work
    assert work is not None
    assert (work.tokens, work.large_share, work.wasted, work.switches) == pytest.approx((10, 0.6, 1, 1))
    assert work.cues == {"Thus": 3}
    assert work.accepted is None


def test_errors_are_not_wrong_answers() -> None:
    rows = [row("relay", i, i < 7) for i in range(10)]
    fault = Failure(kind=Fault.ENGINE, message="gone")
    broken = [
        row_of(Result(policy="relay", sample=sample, epoch=1, seed=0, error=fault, trace=make_trace()))
        for sample in make_samples(5)
    ]
    found = summary_of([*rows, *broken], "relay")
    assert found.accuracy is not None
    assert (found.errors, found.generations, found.accuracy.scored, found.accuracy.value) == (5, 15, 10, 0.7)
    assert found.timing is not None
    assert found.timing.mean == 1.0


def test_a_scorer_that_failed_leaves_the_time() -> None:
    failed = Failure(kind=Fault.SCORER, message="slow")
    found = row_of(
        Result(policy="p", sample=make_samples(1)[0], epoch=0, seed=0, error=failed, trace=make_trace(seconds=3))
    )
    assert (found.correct, found.fault, found.generated, found.seconds) == (None, Fault.SCORER, True, 3)


def test_answers_cut_off_are_counted_apart_and_scored() -> None:
    sample = make_samples(1)[0]
    cut = make_result("p", sample, correct=False, trace=make_trace(finish="length"))
    circle = make_result("p", sample, correct=False, epoch=1, trace=make_trace(finish="repetition"))
    found = summary_of([row_of(cut), row_of(circle)], "p")
    assert found.accuracy is not None
    assert (found.cut_off, found.errors, found.accuracy.value) == (2, 0, 0)


def test_of_a_sample_tried_again_the_last_result_counts() -> None:
    sample = make_samples(1)[0]
    rows = last_rows([make_result("p", sample, correct=False), make_result("p", sample)])
    assert [r.correct for r in rows] == [True]


def test_pass_1_weighs_problems_not_answers() -> None:
    rows = [row("p", 0, True, epoch=e) for e in range(4)] + [row("p", 1, False)]
    found = accuracy(rows)
    assert found is not None
    assert (found.value, found.pass_1) == (0.8, 0.5)


def test_epochs_of_one_problem_are_one_cluster() -> None:
    rows = [row("p", i, i < 5, epoch=e) for i in range(10) for e in range(4)]
    found = accuracy(rows)
    assert found is not None
    assert found.interval == found.clustered
    assert found.clustered.high - found.clustered.low > 1.5 * (found.wilson.high - found.wilson.low)


def test_all_answers_alike_still_leave_doubt() -> None:
    found = accuracy([row("p", i, epoch=e) for i in range(10) for e in range(4)])
    assert found is not None
    assert found.clustered == (1, 1)
    assert found.interval == wilson(10, 10)


def test_mcnemar_takes_one_answer_per_problem() -> None:
    rows = [r for e in (1, 0) for i in range(6) for r in (row("large", i, True, epoch=e), row("p", i, False, epoch=e))]
    found = summary_of(rows, "p").versus_large
    assert found is not None
    assert (found.n, found.only_first) == (12, 6)
    assert found.p == pytest.approx(2 / 2**6)


def test_accuracy_is_told_by_task() -> None:
    found = summary_of(planted(), "large").by_task
    assert {task: value.value for task, value in found.items()} == {"even": 0.8, "odd": 0.8}


def test_nothing_scored_and_nothing_generated_is_nothing_told() -> None:
    found = summary_of([Row(policy="large", task="t", sample="0", epoch=0, fault=Fault.ENGINE)], "large")
    assert (found.accuracy, found.timing, found.work, found.speed_up, found.ceiling_share) == (None,) * 5


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "epochs"), [(200, 1), (50, 4)])
def test_the_interval_of_a_known_accuracy_covers_it_as_often_as_it_says(problems: int, epochs: int) -> None:
    """400 runs of a policy that is right on 70 % of the problems. With epochs a problem is easy or hard for good."""
    rng = random.Random(7)
    covered = clustered = 0
    for _ in range(400):
        chances = [rng.choice([0.5, 0.9]) if epochs > 1 else 0.7 for _ in range(problems)]
        rows = [row("p", i, rng.random() < p, epoch=e) for i, p in enumerate(chances) for e in range(epochs)]
        found = accuracy(rows)
        assert found is not None
        covered += found.interval.low <= 0.7 <= found.interval.high
        clustered += found.clustered.low <= 0.7 <= found.clustered.high
    spread = 3 * math.sqrt(400 * 0.95 * 0.05)  # three standard deviations of a count that is right
    assert abs(covered - 380) <= spread
    assert abs(clustered - 380) <= spread
