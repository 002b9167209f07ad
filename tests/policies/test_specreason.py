"""SpecReason, every branch, driven by made-up segments."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, drafted, judged, wrote

from relaygen.policies.base import Ask, Asked, Commit, Draft, Write
from relaygen.policies.specreason import QUESTION, SpecReason, expected_mark
from relaygen.types import LARGE, SMALL, Ending
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


@pytest.mark.parametrize("setting", [{"threshold": 10}, {"threshold": -1}, {"max_step": 0}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SpecReason(**setting)  # type: ignore[arg-type]
