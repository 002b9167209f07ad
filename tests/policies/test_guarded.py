"""Guarded, every branch, driven by made-up segments."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, wrote

from relaygen.policies.base import Write
from relaygen.policies.guarded import Guarded
from relaygen.profile import Doubt, Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import chained_end, cue, margin_below, sentence_end, think_end

PROFILE = Profile(name="test", cues=("Thus", "I take"))
BACK = sentence_end() | margin_below(0.5, drop=True) | think_end()
LARGE_WRITES = Write(LARGE, until=cue(PROFILE.cues) | think_end(), min_tokens=5)
LARGE_GOES_ON = Write(LARGE, until=cue(PROFILE.cues) | think_end())
LARGE_REWRITES = Write(LARGE, until=think_end(), max_tokens=1)
SMALL_WRITES = Write(SMALL, until=BACK, max_tokens=256)
CUE = wrote("First. Thus", Ending.CUE, LARGE)
DONE = wrote("</think>", Ending.THINK_END)


def offloaded(policy: Guarded | None = None) -> Drive:
    drive = Drive(policy or Guarded(PROFILE))
    assert drive.asked == LARGE_WRITES
    drive.answer(CUE)
    return drive


def doubted(drive: Drive, text: str) -> object:
    """Small writes `text` and a doubtful token behind it, which is dropped."""
    return drive.answer(wrote(text, Ending.MARGIN))


def test_a_sure_segment_is_kept_whole() -> None:
    drive = offloaded()
    assert drive.asked == SMALL_WRITES
    assert drive.answer(wrote("it is 4.", Ending.SENTENCE)) == LARGE_WRITES


def test_large_rewrites_the_token_and_small_goes_on_within_its_limit() -> None:
    drive = offloaded()
    assert doubted(drive, ", 17 * 23 = 3") == LARGE_REWRITES
    rest = 256 - len(", 17 * 23 = 39")
    assert drive.answer(wrote("9", role=LARGE)) == Write(SMALL, until=BACK, max_tokens=rest)
    assert drive.answer(wrote("1.", Ending.SENTENCE)) == LARGE_WRITES


def test_large_goes_on_where_its_token_ends_the_sentence() -> None:
    drive = offloaded()
    assert doubted(drive, ", it is 4") == LARGE_REWRITES
    assert drive.answer(wrote(".", role=LARGE)) == LARGE_GOES_ON


@pytest.mark.parametrize("text", [", it is 4. ", ", it is 4.", " so\n\n", ", it is 4. I"])
def test_large_goes_on_where_the_doubt_is_how_the_next_sentence_begins(text: str) -> None:
    assert doubted(offloaded(), text) == LARGE_GOES_ON


@pytest.mark.parametrize("text", [", it is 4. Thus it", ", 3.14 it", ""])
def test_small_goes_on_in_a_sentence_that_is_an_easy_one(text: str) -> None:
    assert doubted(offloaded(), text) == LARGE_REWRITES


def test_without_rewriting_large_goes_on_to_the_next_cue() -> None:
    assert doubted(offloaded(Guarded(PROFILE, rewrite=0)), ", 17 * 23 = 3") == LARGE_GOES_ON


def test_a_segment_that_is_used_up_by_rewriting_goes_back() -> None:
    drive = offloaded(Guarded(PROFILE, max_segment=3))
    assert doubted(drive, "it") == LARGE_REWRITES
    assert drive.answer(wrote("x", role=LARGE)) == LARGE_GOES_ON


def test_either_model_may_end_the_thinking_and_small_answers() -> None:
    by_large, by_small, by_rewriting = Drive(Guarded(PROFILE)), offloaded(), offloaded()
    doubted(by_rewriting, "so")
    for drive in (by_large, by_small, by_rewriting):
        assert drive.answer(DONE) == Write(SMALL)
        assert drive.answer(wrote()) is None


def test_large_answers_where_the_profile_says_so() -> None:
    assert Drive(Guarded(PROFILE.model_copy(update={"answerer": LARGE}))).answer(DONE) == Write(LARGE)


def test_the_profile_knows_threshold_and_chain_and_the_user_knows_better() -> None:
    known = PROFILE.model_copy(update={"doubt": Doubt(wanted=0.9, guarded=0.7), "chain": True})
    asked = offloaded(Guarded(known)).asked
    chained = chained_end(known.cues) | margin_below(0.7, drop=True) | think_end()
    assert asked == Write(SMALL, until=chained, max_tokens=256)
    assert offloaded(Guarded(known, threshold=0.5, chain=False)).asked == SMALL_WRITES
    assert Guarded(PROFILE.model_copy(update={"doubt": Doubt(wanted=0.9)})).below == 0.5


@pytest.mark.parametrize("setting", [{"threshold": 2}, {"window": 0}, {"rewrite": -1}, {"max_segment": 0}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Guarded(PROFILE, **setting)  # type: ignore[arg-type]
