"""The process that judges: failures of any kind are errors, and the next answer is judged all the same."""

from __future__ import annotations

import os
import time

import pytest

from relaygen.errors import MissingExtra, ScoringError
from relaygen.evals.scorers import ScorerSet, create_scorer, maths, scorer_names
from relaygen.evals.scorers.worker import Worker
from relaygen.evals.types import Sample

pytestmark = pytest.mark.anyio


def hang() -> bool:
    time.sleep(3600)
    return True


def die() -> bool:
    os._exit(3)


def fail() -> bool:
    raise RuntimeError("no idea")


def answer() -> int:
    return os.getpid()


async def test_work_happens_in_another_process() -> None:
    assert await Worker().run(answer) != os.getpid()


async def test_a_hanging_scorer_is_an_error_and_the_next_one_runs() -> None:
    worker = Worker(deadline=0.5)
    with pytest.raises(ScoringError, match=r"more than 0.5 seconds"):
        await worker.run(hang)
    worker.deadline = 60
    assert await worker.run(answer)


async def test_a_crash_of_the_process_is_an_error() -> None:
    worker = Worker()
    with pytest.raises(ScoringError, match="process of the scorer died"):
        await worker.run(die)
    assert await worker.run(answer)


async def test_an_exception_is_an_error_that_says_which() -> None:
    with pytest.raises(ScoringError, match="RuntimeError: no idea"):
        await Worker().run(fail)


async def test_an_answer_that_takes_forever_to_compare_is_no_wrong_answer() -> None:
    sample = Sample(id="a", task="t", input="?", target="42", scorer="math")
    scorers = ScorerSet({"math"}, deadline=60)
    assert (await scorers(sample, r"\boxed{42.0}")).correct  # the process is warm now
    scorers.worker.deadline = 2
    with pytest.raises(ScoringError, match="more than 2 seconds"):
        await scorers(sample, r"\boxed{9^{9^{9^{9}}}}")


async def test_an_unknown_scorer_is_an_error() -> None:
    sample = Sample(id="a", task="t", input="?", target="42", scorer="vibes")
    with pytest.raises(ScoringError, match="vibes"):
        await ScorerSet({"exact"})(sample, "42")


def test_all_scorers_can_be_made() -> None:
    assert [create_scorer(name, Worker()) for name in scorer_names()]


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maths, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"relaygen\[eval\]"):
        create_scorer("math", Worker())
