"""What relay-nano is trained on: worked solutions that are right, and written so that a model can learn from them."""

from __future__ import annotations

import random
import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from columns import add, subtract, times_digit
from relaygen.problems import NANO_TASKS, Problem, ProblemSet, Split
from solutions import SOLVERS, Piece, Writer, solve

TASKS = pytest.mark.parametrize("task", NANO_TASKS)
EACH = 150  # problems of a task
NUMBERS = st.integers(0, 999_999)


@cache
def documents(task: str, count: int = EACH) -> list[tuple[Problem, list[Piece]]]:
    problems, rng = ProblemSet(task, Split.TRAINING), random.Random(5)
    chosen = [problems[i * 97] for i in range(count)]
    return [(p, solve(task, p.question, p.answer, rng)) for p in chosen]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def test_every_task_has_a_solver() -> None:
    assert SOLVERS.keys() == NANO_TASKS.keys()


@TASKS
def test_solutions_agree_with_the_verifier(task: str) -> None:
    problems = ProblemSet(task, Split.TRAINING)
    for problem, pieces in documents(task):
        reasoning, end, answer = text_of(pieces).partition("</think>")
        assert "<think>\n" in reasoning
        assert end
        assert problems.solved(problem, answer.removesuffix("<|im_end|>")), problem.question


@TASKS
def test_the_reasoning_comes_to_the_answer(task: str) -> None:
    for problem, pieces in documents(task):
        conclusion = text_of(pieces).partition("</think>")[0].strip().splitlines()[-1]
        assert re.search(rf"(?<![\d-]){re.escape(problem.answer)}\.$", conclusion), problem.question


@TASKS
def test_without_the_slips_every_equation_holds(task: str) -> None:
    for problem, pieces in documents(task):
        kept = "".join(p.text for p in pieces if p.kind in ("hard", "easy"))
        for left, right in re.findall(r"(?<![\w*+=-])(\d+(?:[-+*]\d+)+)=(-?\d+)(?![\d*+])", kept):
            assert eval(left) == int(right), (problem.question, f"{left}={right}")


@TASKS
def test_a_solution_depends_on_the_random_numbers_alone(task: str) -> None:
    problem = ProblemSet(task, Split.TRAINING)[3]
    one, two, *others = (solve(task, problem.question, problem.answer, random.Random(i)) for i in (1, 1, 2, 3, 4, 5))
    assert one == two
    assert any(other != one for other in others)


def test_a_wrong_answer_is_noticed() -> None:
    with pytest.raises(ValueError, match="but the answer is 1"):
        solve("products", "What is 12 * 12?", "1", random.Random(0))


@TASKS
def test_documents_have_a_prompt_easy_parts_and_hard_parts(task: str) -> None:
    for _, pieces in documents(task, 20):
        kinds = [piece.kind for piece in pieces]
        assert kinds[0] == "prompt"
        assert kinds.count("prompt") == 1
        assert {"easy", "hard"} <= set(kinds)
        assert pieces[-1].text.endswith("<|im_end|>")


@TASKS
def test_a_slip_is_followed_by_its_repair(task: str) -> None:
    slips = 0
    for _, pieces in documents(task):
        for i, piece in enumerate(pieces):
            if piece.kind == "slip":
                slips += 1
                assert re.search(r"\b[Ww]ait, ", text_of(pieces[i + 1 : i + 3]))
    assert slips > 3


@given(NUMBERS, NUMBERS)
def test_columns_add(a: int, b: int) -> None:
    assert written(add(a, b)) == a + b


@given(NUMBERS, NUMBERS)
def test_columns_subtract(a: int, b: int) -> None:
    assert written(subtract(max(a, b), min(a, b))) == abs(a - b)


@given(NUMBERS, st.integers(1, 9))
def test_columns_multiply_by_a_digit(a: int, d: int) -> None:
    assert written(times_digit(a, d)) == a * d


def written(sentences: list[str]) -> int:
    """The number that the columns write, the last digits first."""
    parts = [match[1] for s in sentences if (match := re.search(r"write (\d+)", s))]
    assert len(parts) == len(sentences)
    return int("".join(reversed(parts)))


def test_a_restatement_begins_with_one_of_its_cues() -> None:
    writer = Writer(random.Random(0))
    writer.easy("Thus,|Hence,", "it is 3.")
    assert [piece.kind for piece in writer.pieces] == ["hard", "easy"]
    assert text_of(writer.pieces) in ("Thus, it is 3.", "Hence, it is 3.")
