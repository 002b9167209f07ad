"""SpecReason, every branch, driven by made-up segments."""

from __future__ import annotations

from math import log

import pytest
from tests.policies.driving import Drive, drafted, judged, wrote

from relaygen.policies.base import Ask, Asked, Commit, Draft, Read, Write
from relaygen.policies.specreason import QUESTION, SpecReason, expected_mark, worst_ratio
from relaygen.types import LARGE, SMALL, Candidate, Ending, Scored
from relaygen.until import paragraph_end

DRAFT = Draft(SMALL, until=paragraph_end(), max_tokens=512)
LARGE_WRITES = Write(LARGE, until=paragraph_end(), max_tokens=512)
STEP = drafted("7 + 8 = 15.\n\n", Ending.PARAGRAPH)


def at_the_mark(policy: SpecReason | None = None) -> Drive:
    drive = Drive(policy or SpecReason())
    assert drive.asked == DRAFT
    assert drive.answer(STEP) == Ask(LARGE, QUESTION, draft=STEP)
    return drive


def test_a_good_mark_keeps_the_step() -> None:
    drive = at_the_mark()
    assert drive.answer(judged(_9=0.5, _7=0.25)) == Commit(STEP)
    assert drive.answer(STEP.segment) == DRAFT


def test_a_bad_mark_makes_large_write_the_step() -> None:
    drive = at_the_mark()
    assert drive.answer(judged(_9=0.1, _2=0.9)) == LARGE_WRITES
    assert drive.answer(wrote()) == DRAFT


def test_a_judge_that_has_no_room_left_is_a_bad_mark() -> None:
    assert at_the_mark().answer(Asked()) == LARGE_WRITES


def test_the_threshold_is_reached_and_not_only_passed() -> None:
    assert at_the_mark(SpecReason(threshold=9)).answer(judged(_9=1.0)) == Commit(STEP)


def test_the_answer_is_a_step_like_any_other() -> None:
    drive = at_the_mark()
    drive.answer(judged(_9=1.0))
    assert drive.answer(wrote("</think>", Ending.THINK_END)) == DRAFT


def test_large_can_write_the_first_steps() -> None:
    drive = Drive(SpecReason(first_n_steps=2))
    assert drive.asked == LARGE_WRITES
    assert drive.answer(wrote()) == LARGE_WRITES
    assert drive.answer(wrote()) == DRAFT


@pytest.mark.parametrize(
    ("chances", "mark"),
    [
        ({"9": 0.6, "8": 0.2, " ": 0.2}, (9 * 0.6 + 8 * 0.2) / 0.8),
        ({"10": 0.9, "7": 0.1}, 7),
        ({"good": 1.0}, 0),
        ({}, 0),
    ],
)
def test_the_mark_is_the_expected_digit(chances: dict[str, float], mark: float) -> None:
    assert expected_mark(chances) == pytest.approx(mark)


def scored(*ratios: float) -> tuple[Scored, ...]:
    """Tokens that are so much less probable than the most probable one, which has 0.8."""
    tops = (Candidate(1, log(0.8)), Candidate(2, log(0.1)))
    return tuple(Scored(3, log(0.8 * ratio), tops) for ratio in ratios)


@pytest.mark.parametrize(
    ("ratios", "keeps"), [((1.0, 0.5, 0.2), True), ((1.0, 0.05, 1.0), False), ((1.0, 0.1 + 1e-9), True), ((), False)]
)
def test_a_step_can_be_judged_by_the_token_that_large_finds_least_likely(
    ratios: tuple[float, ...], keeps: bool
) -> None:
    drive = Drive(SpecReason(judge="likelihood"))
    assert drive.asked == DRAFT
    assert drive.answer(STEP) == Read(LARGE, STEP)
    assert drive.answer(scored(*ratios)) == (Commit(STEP) if keeps else LARGE_WRITES)


def test_the_worst_token_is_measured_against_the_best_in_its_place() -> None:
    assert worst_ratio(scored(1.0, 0.25)) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "setting",
    [
        {"judge": "taste"},
        {"judge": "likelihood", "threshold": 7},
        {"threshold": 10},
        {"threshold": -1},
        {"max_step": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SpecReason(**setting)  # type: ignore[arg-type]
