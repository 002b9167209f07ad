"""What the large model is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaygen.calibration.questions import BOXED, questions
from relaygen.errors import UsageError
from relaygen.problems import NANO_TASKS, ProblemSet, Split


def test_nano_takes_its_tasks_in_turn_from_the_calibration_split() -> None:
    asked = questions("nano", 0, 6)
    tasks = list(NANO_TASKS)
    assert [q.id for q in asked] == [*(f"{task}/0" for task in tasks), f"{tasks[0]}/1", f"{tasks[1]}/1"]
    problem = ProblemSet(tasks[0], Split.CALIBRATION)[1]
    assert asked[4].text == problem.question
    assert asked[4].solved is not None
    assert asked[4].solved(f"\\boxed{{{problem.answer}}}")


def test_the_number_of_a_question_does_not_depend_on_where_one_begins() -> None:
    assert questions("chain_sum", 3, 1)[0].number == 3
    assert questions("chain_sum", 3, 1)[0].text == questions("rg:chain_sum", 0, 4)[3].text


def test_other_data_sets_are_told_to_box_the_answer() -> None:
    assert questions("gcd", 0, 1)[0].text.endswith(BOXED)


def test_questions_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "amc.jsonl"
    path.write_text('{"question": "One?"}\n\n{"problem": "Two?", "answer": 2}\n')
    asked = questions(str(path), 0, 2)
    assert [(q.id, q.text, q.solved) for q in asked] == [("amc/0", "One?", None), ("amc/1", "Two?", None)]


@pytest.mark.parametrize(
    ("content", "said"), [("{}", "no question"), ("{", "not JSON"), ("", "holds 0 questions"), ("[]", "no question")]
)
def test_a_file_without_questions_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        questions(str(path), 0, 1)


@pytest.mark.parametrize(
    ("task", "first", "n"), [("nano", 0, 0), ("nano", -1, 5), ("nano", 4_000_000, 1), ("nope", 0, 1)]
)
def test_what_cannot_be_asked_is_refused(task: str, first: int, n: int) -> None:
    with pytest.raises(UsageError):
        questions(task, first, n)
