"""RelayGen, driven with made-up segments."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, wrote

from relaygen.errors import UsageError
from relaygen.policies import Write, create_policy
from relaygen.policies.relaygen import RelayGen
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import chained_end, cue, sentence_end, think_end

CUES = ("Thus", "Now,")
PROFILE = Profile(name="test", cues=CUES)
LARGE_WRITES = Write(LARGE, cue(CUES) | think_end(), min_tokens=5)
SMALL_WRITES = Write(SMALL, sentence_end() | think_end(), max_tokens=256)


def test_large_hands_over_at_cues_and_small_back_at_the_end_of_the_sentence() -> None:
    drive = Drive(RelayGen(PROFILE))
    assert drive.asked == LARGE_WRITES
    assert drive.answer(wrote("Thus", Ending.CUE)) == SMALL_WRITES
    assert drive.answer(wrote("It is.", Ending.SENTENCE)) == LARGE_WRITES
    assert drive.answer(wrote("Now,", Ending.CUE)) == SMALL_WRITES
    assert drive.answer(wrote("x" * 256, Ending.TOKENS)) == LARGE_WRITES


@pytest.mark.parametrize("before", [(), (wrote("Thus", Ending.CUE),)])
def test_small_writes_the_answer_whoever_ends_the_thinking(before: tuple[object, ...]) -> None:
    drive = Drive(RelayGen(PROFILE))
    for segment in before:
        drive.answer(segment)
    assert drive.answer(wrote("</think>", Ending.THINK_END)) == Write(SMALL)
    assert drive.answer(wrote("42", Ending.EOS)) is None


def test_the_profile_may_leave_the_answer_to_large() -> None:
    drive = Drive(RelayGen(PROFILE.model_copy(update={"answerer": LARGE})))
    assert drive.answer(wrote("</think>", Ending.THINK_END)) == Write(LARGE)


def test_a_profile_may_ask_for_the_published_matching() -> None:
    drive = Drive(RelayGen(PROFILE.model_copy(update={"match": "substring"})))
    assert drive.asked == Write(LARGE, cue(CUES, match="substring") | think_end(), min_tokens=5)
    back = drive.answer(wrote("Thus", Ending.CUE))
    assert back == Write(SMALL, sentence_end(match="substring") | think_end(), max_tokens=256)


@pytest.mark.parametrize(
    ("policy", "chained"),
    [
        (RelayGen(PROFILE, chain=True), True),
        (RelayGen(PROFILE.model_copy(update={"chain": True})), True),
        (RelayGen(PROFILE.model_copy(update={"chain": True}), chain=False), False),
    ],
)
def test_small_may_go_on_where_the_next_sentence_is_easy_too(policy: RelayGen, chained: bool) -> None:
    back = (chained_end(CUES) if chained else sentence_end()) | think_end()
    assert Drive(policy).answer(wrote("Thus", Ending.CUE)) == Write(SMALL, back, max_tokens=256)


def test_its_options_can_be_set() -> None:
    drive = Drive(create_policy("relaygen(min_tokens=0, max_segment=9)", PROFILE))
    assert isinstance(drive.asked, Write)
    assert drive.asked.min_tokens == 0
    asked = drive.answer(wrote("Thus", Ending.CUE))
    assert isinstance(asked, Write)
    assert asked.max_tokens == 9


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("relaygen(min_tokens=-1)", "min_tokens must be at least 0, not -1"),
        ("relaygen(max_segment=0)", "max_segment must be at least 1, not 0"),
        ("relaygen(min_tokens=five)", "can't be built"),
        ("relaygen(min_tokens=2.5)", "min_tokens must be a whole number, not 2.5"),
        ("relaygen(min_tokens=True)", "min_tokens must be a whole number, not True"),
        ("relaygen(name=3)", "no option name"),
        ("relaygen(cues=3)", "no option cues; it has min_tokens"),
        ("random(share=2)", "share must be between 0 and 1, not 2"),
        ("random(share=high)", "can't be built"),
        ("random(answer=-1)", "answer must be at least 0, not -1"),
        ("random(seed=1.5)", "seed must be a whole number, not 1.5"),
        ("random(max_segment=0)", "max_segment must be at least 1, not 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        create_policy(spec, PROFILE)
    assert "\n" not in str(caught.value)
