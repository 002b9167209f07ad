"""Thresholds for small's margin, on planted readings and on choices made up."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calibration.planted import reading

from relaygen.calibration.doubt import Choice, doubt_of, offloaded, steps, threshold
from relaygen.calibration.scoring import Reading
from relaygen.calibration.share import replayed
from relaygen.calibration.sites import Switching
from relaygen.calibration.statistics import Corpus
from relaygen.until import paragraph_end, sentence_end

POLICY = Switching().policy(["Thus"])
TEXT = "<think>Okay, we look. Thus, 2 and 7 and 9.\n\nNow 3 times 4.</think>7"


def planted(text: str = TEXT, at: str = r"[279]", margin: float = 0.3) -> Reading:
    """Small is unsure of these characters, and wrong; elsewhere it is sure and right."""
    whole = text.replace("<think>", "\x01")
    places = [found.start() for found in re.finditer(at, whole.partition("</think>")[0])]
    margins = [margin if i in places else 0.9 for i in range(len(whole))]
    return reading(text, margins=lambda _: margins, doubts=places)


def corpus(*readings: Reading) -> Corpus:
    return Corpus(readings, [], [])


CHOICES = st.lists(
    st.builds(Choice, st.floats(0, 0.9999), st.integers(1, 9), st.floats(0, 1) | st.just(0.0)), min_size=1, max_size=30
)


@given(CHOICES, st.floats(0.01, 1))
def test_the_threshold_catches_the_wanted_part_and_a_lower_one_does_not(choices: list[Choice], catch: float) -> None:
    total = sum(c.disagreements for c in choices)
    at = threshold(choices, catch)
    if at is None:
        assert total == 0
        return
    assert sum(c.disagreements for c in choices if c.margin < at) >= catch * total * (1 - 1e-6)
    lower = at - 1.01e-4  # thresholds have four decimals
    assert sum(c.disagreements for c in choices if c.margin < lower) <= catch * total * (1 + 1e-6)


def test_where_small_is_never_wrong_there_is_no_threshold() -> None:
    assert threshold([Choice(0.1, 1, 0.0)], 0.9) is None
    assert threshold([], 0.9) is None


def test_what_small_would_write_is_judged_token_by_token() -> None:
    found = list(offloaded(POLICY, planted()))
    assert len(found) == len(" 2 and 7 and 9.\n")
    assert [c.margin for c in found if c.disagreements] == [0.3] * 3
    assert all(c.tokens == 1 for c in found)


@pytest.mark.parametrize(("until", "count"), [(paragraph_end(), 2), (sentence_end(), 3)])
def test_a_step_is_judged_by_its_first_token_and_weighs_all_its_tokens(until: object, count: int) -> None:
    found = list(steps(planted(at=r"[N279]"), until))  # type: ignore[arg-type]
    assert len(found) == count
    assert found[-1] == Choice(0.3, len("Now 3 times 4.") + 1, 1.0)
    assert [c.margin for c in found[:-1]] == [0.9] * (count - 1)
    assert sum(c.disagreements for c in found) == 4


def test_planted_doubts_are_found_and_cost_what_they_hold() -> None:
    texts = corpus(planted(), planted(margin=0.5), planted(margin=0.6))
    effect = replayed(texts, POLICY)
    found = doubt_of(texts, POLICY, effect, 2 / 3)
    assert found is not None
    assert found.guarded == 0.5001
    assert found.guarded_share == pytest.approx((effect.large_tokens + 6) / effect.completion_tokens, abs=1e-4)
    assert found.paragraph == found.sentence == 0.9001  # what is wrong stands in steps that begin surely


def test_without_small_having_read_there_is_nothing() -> None:
    known = planted()
    unread = Reading(known.problem, known.transcript, known.margins, None, None, known.rest)
    assert doubt_of(corpus(unread), POLICY, replayed(corpus(known), POLICY), 0.9) is None
