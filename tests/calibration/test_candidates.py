"""Which cues are tried."""

from __future__ import annotations

import pytest
from tests.calibration.planted import reading, thought

from relaygen.calibration.candidates import candidates, covered, discovered, openings


def test_the_published_list_is_tried_each_word_once() -> None:
    found = [c.cue for c in candidates([])]
    assert len(found) == 91
    assert "So " in found  # as it is spelled there


def test_as_whole_words_a_blank_at_the_end_makes_no_other_cue() -> None:
    added = [c for c in candidates([], added=["So", "Units:"]) if c.origin == "added"]
    assert [c.cue for c in added] == ["Units:"]
    substrings = [c for c in candidates([], match="substring", added=["So"]) if c.origin == "added"]
    assert [c.cue for c in substrings] == ["So"]


def test_frequent_openings_are_discovered_with_their_comma_or_colon() -> None:
    text = thought("Units: 3+4=7.", "Units: 1+1=2.", "First, we look.", "I take 3.14 of it.", "I take none.")
    found = discovered([reading(text, "a"), reading(text, "b")], 4)
    assert found == ["I", "I take", "Units:", "First,"]


def test_an_opening_must_occur_in_enough_problems() -> None:
    rare, common = reading(thought("Rare it is.", "Common it is."), "a"), reading(thought("Common it is."), "b")
    assert "Rare" not in discovered([rare, common], 10, min_problems=2)
    assert discovered([rare, common], 0) == []


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("Now, the rest", ["Now,"]),
        (" It is 4", ["It", "It is"]),
        ("To begin, I", ["To", "To begin,"]),
        ("3+4=7", []),
        ("double-check it", ["double-check", "double-check it"]),
        ("<think>\nOkay, so", ["Okay,"]),
        ("Yes", ["Yes"]),
    ],
)
def test_openings_are_words_and_pairs_of_words(sentence: str, found: list[str]) -> None:
    assert openings(sentence) == found


@pytest.mark.parametrize(
    ("cues", "idle"),
    [
        (["Thus", "Thus,"], {"Thus,"}),
        (["So ", "So,"], {"So,"}),
        (["Now", "Now the"], {"Now the"}),
        (["check", "double-check"], set()),
        (["thus", "Thus,"], set()),
        (["Now,", "Now"], {"Now,"}),
        (["other", "another"], set()),
    ],
)
def test_covered_cues_are_those_that_a_shorter_one_makes_unreachable(cues: list[str], idle: set[str]) -> None:
    assert covered(cues) == idle
