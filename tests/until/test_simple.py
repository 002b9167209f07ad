"""The small conditions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chunks import chunked, cut, why

from relaygen.types import Ending
from relaygen.until import margin_below, text, think_end, tokens

TEXTS = st.lists(st.sampled_from(["ab", "abc", "a", "b", "c", "é", "漢", " "]), max_size=12).map("".join)


@given(chunked(TEXTS), st.lists(st.sampled_from(["abc", "bc", "a b", "éa", "漢"]), min_size=1, max_size=3))
def test_texts_fire_at_the_token_that_completes_the_first(pieces: list[bytes], texts: list[str]) -> None:
    whole = b"".join(pieces).decode()
    ends = [whole.find(t) + len(t) for t in texts if t in whole]
    found = cut(text(*texts), pieces)
    assert (found.fired is not None) == bool(ends)
    if found.fired:
        shorter = b"".join(pieces[: found.fed - 1]).decode(errors="ignore")
        assert len(shorter) < min(ends) <= len(found.text)


def test_of_texts_that_end_together_the_longest_is_named() -> None:
    assert why(text("OP", "STOP"), "ST", "OP") == "STOP"


def test_a_text_in_front_of_the_segment_does_not_count() -> None:
    assert why(text("STOP"), "OP", before="ST") is None


def test_long_texts_are_found() -> None:
    long = "long " * 100
    assert why(text(long), "x", *long) == long


@pytest.mark.parametrize("texts", [(), ("",), ("a", "")])
def test_empty_texts_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="none of them empty"):
        text(*texts)


def test_the_end_of_thinking_is_one_token_where_the_vocabulary_has_it() -> None:
    assert cut(think_end(), ["a", "</think>", "b"]).text == "a</think>"
    assert cut(think_end(), ["</", "think>", "</think>"]).fed == 3


@pytest.mark.parametrize("pieces", [("</think", ">", "b"), ("</", "thi", "nk", ">"), ("a</think>\n",)])
def test_the_end_of_thinking_may_be_spelled(pieces: tuple[str, ...]) -> None:
    found = cut(think_end(), pieces)
    assert (found.fired and found.fired.ending, "</think>" in found.text) == (Ending.THINK_END, True)


def test_a_spelled_end_of_thinking_may_have_begun_before_the_segment() -> None:
    assert cut(think_end(), ["ink>"], before="done.</th").fired
    assert cut(think_end(), ["a"], before="done.</think>").fired is None


@pytest.mark.parametrize("pieces", [("a", "</think>"), ("a", "</", "think>")])
def test_the_end_of_thinking_does_not_wait_for_min_tokens(pieces: tuple[str, ...]) -> None:
    assert cut(think_end(), pieces, min_tokens=10).fired


def test_tokens_are_counted() -> None:
    assert cut(tokens(2), ["a", "b", "c"]).kept == 2
    assert cut(tokens(2), ["a", "b", "c", "d"], min_tokens=2).kept == 3


def test_the_margin_is_a_mean_over_a_full_window() -> None:
    margins = [0.1, 0.9, 0.9, 0.6, 0.1]
    found = cut(margin_below(0.5, window=3), "abcde", margins=[0.1, 0.9, 0.9, 0.4, 0.1])
    assert (found.kept, found.fired and found.fired.why) == (5, "0.467")
    assert cut(margin_below(0.5, window=3), "abcde", margins=margins).fired is None
    assert cut(margin_below(0.5), "abcde", margins=margins).kept == 1


@pytest.mark.parametrize(
    ("window", "margins", "kept"),
    [(1, [0.9, 0.9, 0.4], 2), (3, [0.9, 0.9, 0.4, 0.1], 2), (3, [0.1, 0.9, 0.3], 0), (2, [0.6, 0.6, 0.3], 2)],
)
def test_doubtful_tokens_are_given_back_from_the_first_one_on(window: int, margins: list[float], kept: int) -> None:
    found = cut(margin_below(0.5, window=window, drop=True), "abcd"[: len(margins)], margins=margins)
    assert (found.kept, found.fired and found.fired.ending) == (kept, Ending.MARGIN)


def test_a_doubtful_end_of_thinking_is_given_back_too() -> None:
    found = cut(margin_below(0.5, drop=True) | think_end(), ["a", "</think>"], margins=[0.9, 0.2])
    assert (found.kept, found.fired and found.fired.ending) == (1, Ending.MARGIN)


def test_the_margin_needs_the_top_two() -> None:
    assert margin_below(0.5).needs_top
    with pytest.raises(ValueError, match="ask the engine"):
        cut(margin_below(0.5), ["a"])


@pytest.mark.parametrize("make", [lambda: tokens(0), lambda: margin_below(0.5, window=0)])
def test_what_can_never_be_meant_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="at least 1"):
        make()
