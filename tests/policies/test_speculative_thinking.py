"""Speculative Thinking, every branch, driven by made-up segments."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, drafted, wrote

from relaygen.policies.base import Commit, Draft, Drafted, Insert, Write
from relaygen.policies.speculative_thinking import SpeculativeThinking
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import paragraph_end

SMALL_WRITES = Write(SMALL, until=paragraph_end(), max_tokens=1024)
PARAGRAPH = wrote("So.\n\n", Ending.PARAGRAPH)
DOUBT = drafted("Wait, no", role=LARGE)


def at_a_peek(policy: SpeculativeThinking | None = None) -> Drive:
    drive = Drive(policy or SpeculativeThinking())
    assert drive.asked == SMALL_WRITES
    assert drive.answer(PARAGRAPH) == Draft(SMALL, max_tokens=20)
    return drive


def at_a_takeover(peek: str, policy: SpeculativeThinking | None = None) -> Drive:
    drive = at_a_peek(policy)
    assert drive.answer(drafted(peek)) == Draft(LARGE, max_tokens=20)
    return drive


def doubt(drive: Drive, peek: int) -> None:
    """One round, from a small segment to the next, in which a doubt is kept."""
    assert drive.answer(PARAGRAPH) == Draft(SMALL, max_tokens=peek)
    drive.answer(drafted("Hold on"))
    assert drive.answer(DOUBT) == Commit(DOUBT)
    assert drive.answer(wrote()) == Write(SMALL, until=paragraph_end(), max_tokens=1024)


@pytest.mark.parametrize("ending", [Ending.TOKENS, Ending.THINK_END])
def test_nothing_happens_where_no_paragraph_ended(ending: Ending) -> None:
    assert Drive(SpeculativeThinking()).answer(wrote("So", ending)) == SMALL_WRITES


def test_a_peek_that_says_nothing_is_dropped() -> None:
    assert at_a_peek().answer(drafted("Now the units")) == SMALL_WRITES


@pytest.mark.parametrize("peek", ["Wait, no", "Yes, yes, but wait", "Let me check"])
def test_a_peek_that_says_something_is_written_by_large(peek: str) -> None:
    drive = at_a_takeover(peek)
    takeover = drafted("Now the units", role=LARGE)
    assert drive.answer(takeover) == Commit(takeover)
    assert drive.answer(wrote()) == SMALL_WRITES


@pytest.mark.parametrize(("takeover", "small_stays"), [("Yes, confident", True), ("Wait", False), ("Now", False)])
def test_small_can_be_kept_where_both_say_the_same(takeover: str, small_stays: bool) -> None:
    drive = at_a_takeover("Yes, so", SpeculativeThinking(choose_large=False))
    kept = drive.answer(drafted(takeover, role=LARGE))
    assert isinstance(kept, Commit)
    assert kept.draft.segment.role is (SMALL if small_stays else LARGE)


def test_large_goes_on_where_something_is_to_be_verified() -> None:
    drive = at_a_takeover("Wait")
    takeover = drafted("Let me verify", role=LARGE)
    assert drive.answer(takeover) == Commit(takeover)
    assert drive.answer(wrote()) == Write(LARGE, max_tokens=125)
    assert drive.answer(wrote()) == SMALL_WRITES


def test_after_enough_doubts_large_recaps_longer_each_time() -> None:
    drive = Drive(SpeculativeThinking(negatives=2, negatives_step=1, negatives_max=3, recap_max=150))
    for doubts, recap in ((2, 125), (3, 150), (3, 150)):
        for _ in range(doubts):
            doubt(drive, peek=20)
        assert drive.answer(PARAGRAPH) == Insert("Let me check whether there are some wrong steps:", LARGE)
        assert drive.answer(wrote()) == Write(LARGE, max_tokens=recap)
        assert drive.answer(wrote()) == SMALL_WRITES


def test_large_can_begin() -> None:
    drive = Drive(SpeculativeThinking(begin=True))
    assert drive.asked == Write(LARGE, max_tokens=100)
    assert drive.answer(wrote()) == SMALL_WRITES


def test_for_models_that_do_not_reason_large_takes_over_at_every_paragraph() -> None:
    drive = at_a_takeover("Now the units", SpeculativeThinking(not_reasoning=True))
    takeover = drafted("Now", role=LARGE)
    assert drive.answer(takeover) == Commit(takeover)


@pytest.mark.parametrize(
    ("text", "word", "substring"),
    [
        ("Yes. The final answer", 1, 1),
        ("the eyes await a checkbox", 0, -1),
        ("yes, wait", -1, -1),
        ("Double-check it", -1, -1),
        ("YES, I am confident. Wait", 1, 1),
        ("Nothing", 0, 0),
    ],
)
def test_words_are_whole_words_unless_asked_otherwise(text: str, word: int, substring: int) -> None:
    assert vote(SpeculativeThinking(), drafted(text)) == word
    assert vote(SpeculativeThinking(match="substring"), drafted(text)) == substring


def vote(policy: SpeculativeThinking, draft: Drafted) -> int:
    return policy._vote(draft.segment.text)


@pytest.mark.parametrize("setting", [{"match": "prefix"}, {"peek": 0}, {"positive": "yes"}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|lists"):
        SpeculativeThinking(**setting)  # type: ignore[arg-type]
