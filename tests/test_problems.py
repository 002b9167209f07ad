"""Problems with verifiers: from a seed, never shared between splits."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

from relaygen.errors import MissingExtra, UsageError
from relaygen.problems import NANO_TASKS, ROOM, SEEDS, ProblemSet, Split, final_answer, problem_sets

TASKS = pytest.mark.parametrize("task", NANO_TASKS)


@TASKS
def test_each_split_has_seeds_of_its_own(task: str) -> None:
    seeds = sorted(ProblemSet(task, split)._data.config.seed for split in Split)
    assert all(later - earlier >= SEEDS for earlier, later in pairwise(seeds))


@TASKS
def test_the_same_number_is_the_same_problem(task: str) -> None:
    one, two = (ProblemSet(task)[7] for _ in range(2))
    assert (one.question, one.answer) == (two.question, two.answer)
    assert one.question != ProblemSet(task)[8].question
    assert one.question != ProblemSet(task, Split.CALIBRATION)[7].question


@TASKS
def test_a_question_belongs_to_one_split(task: str) -> None:
    training, routing, calibration, evaluation = ({ProblemSet(task, s)[i].question for i in range(60)} for s in Split)
    assert not evaluation & (training | routing | calibration)
    assert not (routing | calibration) & training


@TASKS
def test_evaluation_asks_nothing_that_relay_nano_was_trained_on(task: str) -> None:
    trained = ProblemSet(task, Split.TRAINING)
    assert not any(Split.EVALUATION.owns(trained[i].question) for i in (*range(100), *range(6_900, 7_000)))


def test_the_seeds_of_no_two_splits_meet() -> None:
    # Item i is seeded with the seed of its set plus i, and the tasks of a split have their sets one behind the other.
    starts = sorted(split.seed for split in Split)
    assert all(later - earlier >= len(NANO_TASKS) * SEEDS for earlier, later in pairwise(starts))


def test_a_task_with_hardly_any_questions_cannot_be_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = ProblemSet("products", settings={"min_digits": 1, "max_digits": 1})
    monkeypatch.setattr(Split, "owns", lambda split, question: False)
    with pytest.raises(UsageError, match="too few different questions"):
        problems[0]


@TASKS
@pytest.mark.parametrize("form", ["{}", "So it is\n{}\n", "\\boxed{{1}} no, \\boxed{{{}}}", "It is \\boxed{{ {} }}."])
def test_the_right_answer_is_a_solution(task: str, form: str) -> None:
    problems = ProblemSet(task)
    assert problems.solved(problems[0], form.format(problems[0].answer))


@TASKS
@pytest.mark.parametrize("text", ["", "junk", "\\boxed{}", "123456789", "the answer is nearly {}"])
def test_anything_else_is_none(task: str, text: str) -> None:
    problems = ProblemSet(task)
    assert not problems.solved(problems[0], text.format(problems[0].answer))


def test_a_verifier_that_cannot_read_an_answer_has_not_solved_it() -> None:
    problems = ProblemSet("prime_factorization")
    assert not problems.solved(problems[0], "junk")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", ""),
        (" \n ", ""),
        ("first\nlast \n", "last"),
        ("\\boxed{1} and \\boxed{2}\nend", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{ 7 }", "7"),
        ("\\boxed{never closed", "\\boxed{never closed"),
    ],
)
def test_the_final_answer_is_boxed_or_the_last_line(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize("index", [-1, ROOM])
def test_numbers_beyond_the_split_are_refused(index: int) -> None:
    with pytest.raises(UsageError, match="problems 0 to 19999"):
        ProblemSet("products")[index]
    assert ProblemSet("products")[ROOM - 1].question


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UsageError, match="no task 'sums'; relay-nano's are chain_sum, products"):
        ProblemSet("sums")


@pytest.mark.parametrize("settings", [{"min_terms": "many"}, {"min_tems": 2}, {"min_terms": 9, "max_terms": 2}])
def test_settings_that_a_task_does_not_take_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="chain_sum can't be made with"):
        ProblemSet("chain_sum", settings=settings)


def test_any_data_set_of_reasoning_gym_is_a_task() -> None:
    problems = ProblemSet("gcd", settings={"max_numbers": 2})
    assert problems.solved(problems[3], problems[3].answer)


def test_nano_stands_for_all_its_tasks() -> None:
    assert [problems.task for problems in problem_sets("nano")] == list(NANO_TASKS)
    assert [problems.task for problems in problem_sets("gcd", Split.CALIBRATION)] == ["gcd"]


def test_without_reasoning_gym_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(MissingExtra, match=r"relaygen\[tasks\]"):
        ProblemSet("products")
