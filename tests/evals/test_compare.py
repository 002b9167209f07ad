"""Two runs side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.evals.players import make_header, make_result, make_samples
from tests.evals.runs import plant

from relaygen.errors import UsageError
from relaygen.evals.compare import compare, what_differs
from relaygen.evals.log import EvalLog
from relaygen.evals.run import Run


def simple(folder: Path, right: int, *, count: int = 10, policy: str = "large", digest: str = "0") -> Run:
    """One policy that is right on the first so many sums."""
    header = make_header([policy], count, seed=right)
    settings = header.settings.model_copy(update={"samples_from": {"sums": digest}})
    with EvalLog.open(folder, header.model_copy(update={"settings": settings})) as log:
        for i, sample in enumerate(make_samples(count)):
            log.append(make_result(policy, sample, correct=i < right))
    return Run.read(folder)


def test_a_run_is_no_different_from_itself(tmp_path: Path) -> None:
    run = plant(tmp_path)
    found = compare(run, run)
    assert [c.policy for c in found] == [s.policy for s in run.summaries]
    assert all(c.versus and c.versus.difference == 0 and c.versus.p == 1 for c in found)
    assert all(c.speed_up and c.speed_up.value == 1 for c in found)
    assert what_differs(run, run) == []


def test_the_difference_is_the_second_minus_the_first(tmp_path: Path) -> None:
    (found,) = compare(simple(tmp_path / "a", 4), simple(tmp_path / "b", 9))
    assert found.first is not None
    assert found.second is not None
    assert found.versus is not None
    assert (found.first.value, found.second.value, found.versus.difference) == (0.4, 0.9, 0.5)
    assert (found.versus.only_first, found.versus.only_second) == (0, 5)


def test_only_common_problems_count(tmp_path: Path) -> None:
    (found,) = compare(simple(tmp_path / "a", 4), simple(tmp_path / "b", 4, count=5))
    assert found.problems == 5
    assert found.first == found.second


def test_time_is_the_first_over_the_second(tmp_path: Path) -> None:
    found = compare(plant(tmp_path / "a", seconds=3.0), plant(tmp_path / "b"))
    assert all(c.speed_up and c.speed_up.value == pytest.approx(3) for c in found)


def test_what_differs_is_told(tmp_path: Path) -> None:
    assert what_differs(simple(tmp_path / "a", 4), simple(tmp_path / "b", 5)) == ["seed was 4, now it is 5"]


def test_runs_without_common_policies_do_not_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no policy in common: large in the first, small in the second"):
        compare(simple(tmp_path / "a", 4), simple(tmp_path / "b", 4, policy="small"))


def test_samples_of_one_name_but_other_content_do_not_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no problems in common"):
        compare(simple(tmp_path / "a", 4), simple(tmp_path / "b", 4, digest="other"))
