"""What follows from a trace."""

from __future__ import annotations

import math

import pytest

from relaygen.types import LARGE, SMALL, Candidate, Ending, Role, Scored, Segment, Token, Trace, Usage, margin

TOP = (Candidate(1, math.log(0.7)), Candidate(2, math.log(0.2)), Candidate(3, math.log(0.1)))


def segment(role: Role, text: str, thinking: bool = True, seconds: float = 1.0) -> Segment:
    tokens = tuple(map(ord, text))
    return Segment(role=role, tokens=tokens, text=text, ending=Ending.CUE, thinking=thinking, seconds=seconds)


def trace(*segments: Segment, **usage: int) -> Trace:
    return Trace(policy="", prompt=(), segments=segments, usage=Usage(**usage), finish_reason="stop", seconds=9.0)


def test_the_segments_are_the_completion() -> None:
    whole = trace(segment(LARGE, "ab"), segment(SMALL, "c"), segment(SMALL, "d", thinking=False))
    assert (whole.text, whole.tokens) == ("abcd", (97, 98, 99, 100))
    assert (whole.reasoning, whole.answer) == ("abc", "d")


def test_switches_are_hand_overs_in_either_direction() -> None:
    parts = [segment(LARGE, "a"), segment(SMALL, "b"), segment(SMALL, "c", thinking=False), segment(LARGE, "d")]
    assert [trace(*parts[:i]).switches for i in range(5)] == [0, 0, 1, 1, 2]


def test_the_large_share_is_of_all_completion_tokens() -> None:
    usage = Usage(large_tokens=6, small_tokens=3, inserted_tokens=1, wasted_large=50)
    assert usage.completion_tokens == 10
    assert trace(large_tokens=6, small_tokens=3, inserted_tokens=1).large_share == 0.6
    assert trace().large_share == 0.0


def test_each_model_has_its_time() -> None:
    whole = trace(segment(LARGE, "a", seconds=2), segment(SMALL, "b", seconds=1), segment(LARGE, "c", seconds=3))
    assert (whole.seconds_of(LARGE), whole.seconds_of(SMALL)) == (5, 1)


def test_the_margin_is_the_distance_of_the_two_best() -> None:
    assert margin(TOP) == pytest.approx(0.5)
    assert Token(1, 0.0, TOP).margin == Scored(1, 0.0, TOP).margin == margin(TOP)
    with pytest.raises(ValueError, match="needs the top-2"):
        margin(TOP[:1])
