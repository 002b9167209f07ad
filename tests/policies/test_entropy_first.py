"""Entropy first, every branch, driven by made-up segments."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, drafted, wrote

from relaygen.policies.base import Commit, Draft, Write
from relaygen.policies.entropy_first import EntropyFirst
from relaygen.profile import Doubt, Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import margin_below, paragraph_end, sentence_end, think_end

PROFILE = Profile(name="test", cues=("Thus",))
FIRST = Draft(SMALL, until=margin_below(0.5) | think_end(), max_tokens=1)
STEP = paragraph_end() | think_end()


def test_where_the_first_token_is_sure_small_writes_the_step() -> None:
    drive = Drive(EntropyFirst(PROFILE))
    assert drive.asked == FIRST
    first = drafted("N")
    assert drive.answer(first) == Commit(first)
    assert drive.answer(first.segment) == Write(SMALL, until=STEP, max_tokens=512)
    assert drive.answer(wrote("ow.\n\n", Ending.PARAGRAPH)) == FIRST


def test_where_it_is_not_sure_large_writes_the_step_from_its_start() -> None:
    drive = Drive(EntropyFirst(PROFILE))
    assert drive.answer(drafted("N", Ending.MARGIN)) == Write(LARGE, until=STEP, max_tokens=512)
    assert drive.answer(wrote("So.\n\n", Ending.PARAGRAPH)) == FIRST


@pytest.mark.parametrize("text", ["\n", " ", "<think>"])
def test_a_token_that_says_nothing_is_kept_and_the_next_one_asked(text: str) -> None:
    drive = Drive(EntropyFirst(PROFILE))
    first = drafted(text)
    assert drive.answer(first) == Commit(first)
    assert drive.answer(first.segment) == FIRST


def test_the_end_of_thinking_may_be_the_first_token() -> None:
    drive = Drive(EntropyFirst(PROFILE))
    end = drafted("</think>", Ending.THINK_END)
    assert drive.answer(end) == Commit(end)
    assert drive.answer(end.segment) == Write(SMALL)
    assert drive.answer(wrote()) is None


@pytest.mark.parametrize("ending", [Ending.MARGIN, Ending.TOKENS])
def test_the_end_of_thinking_may_come_within_a_step(ending: Ending) -> None:
    drive = Drive(EntropyFirst(PROFILE))
    first = drafted("N", ending)
    drive.answer(first)
    if ending is Ending.TOKENS:
        drive.answer(first.segment)
    assert drive.answer(wrote("</think>", Ending.THINK_END)) == Write(SMALL)


def test_a_step_can_be_a_sentence() -> None:
    drive = Drive(EntropyFirst(PROFILE, step="sentence"))
    expected = Write(LARGE, until=sentence_end() | think_end(), max_tokens=512)
    assert drive.answer(drafted("N", Ending.MARGIN)) == expected


@pytest.mark.parametrize("setting", [{"threshold": -0.1}, {"step": "word"}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        EntropyFirst(PROFILE, **setting)  # type: ignore[arg-type]


def test_the_profile_knows_a_threshold_for_each_kind_of_step() -> None:
    known = PROFILE.model_copy(update={"doubt": Doubt(wanted=0.9, paragraph=0.7)})
    assert EntropyFirst(known).below == 0.7
    assert EntropyFirst(known, step="sentence").below == 0.5
    assert EntropyFirst(known, threshold=0.2).below == 0.2
