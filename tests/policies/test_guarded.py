"""Guarded, every branch, driven by made-up segments."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, drafted, wrote

from relaygen.policies.base import Commit, Draft, Write
from relaygen.policies.guarded import Guarded
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import cue, margin_below, sentence_end, think_end

PROFILE = Profile(name="test", cues=("Thus",))
BACK = sentence_end() | margin_below(0.5, window=3) | think_end()
LARGE_WRITES = Write(LARGE, until=cue(("Thus",)) | think_end(), min_tokens=5)
DRAFT = Draft(SMALL, until=BACK, max_tokens=256)
CUE = wrote("First. Thus", Ending.CUE, LARGE)
DONE = wrote("</think>", Ending.THINK_END)


def offloaded() -> Drive:
    drive = Drive(Guarded(PROFILE))
    assert drive.asked == LARGE_WRITES
    assert drive.answer(CUE) == DRAFT
    return drive


def test_a_sure_segment_is_kept_whole() -> None:
    drive = offloaded()
    sentence = drafted("it is 4.", Ending.SENTENCE)
    assert drive.answer(sentence) == Commit(sentence, None)
    assert drive.answer(sentence.segment) == LARGE_WRITES


@pytest.mark.parametrize(
    ("margins", "kept"),
    [((0.9, 0.9, 0.4, 0.3, 0.2), 2), ((0.2, 0.9, 0.9, 0.3, 0.1), 3), ((0.1, 0.1, 0.1), 0)],
)
def test_doubtful_tokens_are_dropped_from_the_first_one_on(margins: tuple[float, ...], kept: int) -> None:
    drive = offloaded()
    doubtful = drafted("x" * len(margins), Ending.MARGIN, margins=margins)
    assert drive.answer(doubtful) == Commit(doubtful, kept)
    assert drive.answer(wrote("x" * kept)) == LARGE_WRITES


def test_either_model_may_end_the_thinking_and_small_answers() -> None:
    by_large, by_small = Drive(Guarded(PROFILE)), offloaded()
    by_small.answer(drafted("so</think>", Ending.THINK_END))
    for drive in (by_large, by_small):
        assert drive.answer(DONE) == Write(SMALL)
        assert drive.answer(wrote()) is None


def test_large_answers_where_the_profile_says_so() -> None:
    assert Drive(Guarded(PROFILE.model_copy(update={"answerer": LARGE}))).answer(DONE) == Write(LARGE)


def test_without_dropping_small_writes_in_the_open() -> None:
    drive = Drive(Guarded(PROFILE, drop=False))
    assert drive.answer(CUE) == Write(SMALL, until=BACK, max_tokens=256)
    assert drive.answer(wrote("it is", Ending.MARGIN)) == LARGE_WRITES


@pytest.mark.parametrize("setting", [{"threshold": 2}, {"window": 0}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Guarded(PROFILE, **setting)  # type: ignore[arg-type]
