"""Unions of conditions, and the matcher that holds them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.chunks import ChunkTokenizer, chunked, cut

from relaygen.types import Ending, Token
from relaygen.until import Fired, Matcher, Until, cue, margin_below, sentence_end, text, think_end, tokens
from relaygen.until.simple import ThinkEndCondition, TokensCondition

PARTS = (cue(["So,", "now"]), sentence_end(), think_end(), text("a b"), tokens(4))
TEXTS = st.lists(st.sampled_from(["So, ", "now ", "Ends. ", "</think>", "a b", "é", "x"]), max_size=9).map("".join)


@given(chunked(TEXTS), st.permutations(PARTS))
def test_a_union_ends_where_its_first_part_would(pieces: list[bytes], parts: list[Until]) -> None:
    union = parts[0]
    for part in parts[1:]:
        union |= part
    alone = [cut(part, pieces) for part in parts]
    first = min((found.fed for found in alone if found.fired), default=None)
    found = cut(union, pieces)
    assert (found.fed if found.fired else None) == first
    assert first is None or found.fired in [a.fired for a in alone if a.fed == first]


def test_urgent_conditions_win_then_the_order_decides() -> None:
    pieces = ["a", "</think>"]
    assert cut(tokens(2) | think_end(), pieces).fired == Fired(Ending.THINK_END)
    assert cut(tokens(1) | text("a"), pieces).fired == Fired(Ending.TOKENS, "1")
    assert cut(text("a") | tokens(1), pieces).fired == Fired(Ending.TEXT, "a")


def test_a_condition_is_held_once() -> None:
    union = think_end() | tokens(3) | think_end()
    assert union == think_end() | tokens(3)
    assert union.waits_for(ThinkEndCondition)
    assert not (think_end() | text("a")).waits_for(TokensCondition)


def test_a_union_needs_the_top_two_when_a_part_does() -> None:
    union = think_end() | margin_below(0.5)
    assert (union.needs_top, think_end().needs_top) == (True, False)
    assert Matcher(union, ChunkTokenizer([b"a"])).needs_top


def test_nothing_ever_ends_without_conditions() -> None:
    assert cut(Until(()), ["a.", " ", "</think>"]).fired is None


def test_what_fired_first_stays() -> None:
    matcher = Matcher(text("a") | text("b"), ChunkTokenizer([b"a", b"b"]))
    assert [matcher.feed(Token(0)), matcher.feed(Token(1))] == [True, True]
    assert matcher.fired == Fired(Ending.TEXT, "a")


def test_conditions_do_not_lose_their_place_in_what_was_too_early() -> None:
    assert cut(text("abc"), ["a", "b", "c"], min_tokens=2).fed == 3
    assert cut(cue(["now"]), [" now", " x"], min_tokens=1).fed == 2
