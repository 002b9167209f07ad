"""Sentences that go on into the next one when that begins with a cue."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.chunks import chunked
from tests.chunks import cut as cut_pieces

from relaygen.engines.scripted import byte_tokenizer
from relaygen.types import Ending, Token
from relaygen.until import Matcher, chained_end, sentence_end, think_end

CUES = ("Now,", "Thus", "To begin,")


def cut(text: str) -> str:
    """What the segment keeps of `text`, written one byte at a time."""
    tokenizer = byte_tokenizer()
    matcher = Matcher(chained_end(CUES) | think_end(), tokenizer)
    for i, id in enumerate(ids := tokenizer.encode(text), 1):
        if matcher.feed(Token(id)):
            assert matcher.fired
            return tokenizer.decode(ids[: i - matcher.fired.give_back])
    return text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x is 3. Now, y is 4. Then z.", "x is 3. Now, y is 4."),
        ("a. Thus the rest. Thus, more. So it is.", "a. Thus the rest. Thus, more."),
        ("a. Thusly b", "a."),
        ("a. Nowadays b", "a."),
        ("a. To begin, b. To end, c", "a. To begin, b."),
        ("it is 3.14 e.g. here. Other", "it is 3.14 e.g. here."),
    ],
)
def test_small_goes_on_only_behind_a_whole_cue(text: str, kept: str) -> None:
    assert cut(text) == kept


def test_the_end_of_thinking_stays_with_the_sentence_before_it() -> None:
    assert cut("done.\n</think>\n\nThe answer") == "done.\n</think>"


def test_what_was_read_ahead_is_within_the_announced_lookahead() -> None:
    tokenizer = byte_tokenizer()
    until = chained_end(CUES)
    matcher = Matcher(until, tokenizer)
    for id in tokenizer.encode("Done. To beg, "):
        if matcher.feed(Token(id)):
            break
    assert matcher.fired
    assert matcher.fired.ending is Ending.SENTENCE
    assert 1 < matcher.fired.give_back <= until.lookahead


SENTENCES = ("It is 3.14.", "Now, on.", "Nowadays e.g. no.", "Thus it is.", "Thusly!", "To begin, é.", "Well?", "\n\n")
TEXTS = st.lists(st.sampled_from(SENTENCES), max_size=6).map(" ".join)


@given(chunked(TEXTS))
def test_whatever_the_tokens_the_next_sentence_is_no_easy_one(pieces: list[bytes]) -> None:
    until = chained_end(CUES)
    found = cut_pieces(until, [piece for piece in pieces if piece])
    if found.fired:
        assert found.fired.give_back <= until.lookahead
        behind = b"".join(pieces).decode()[len(found.text) :].lstrip()
        assert not re.match(r"Now,|To begin,|Thus(?![\w'’-])", behind)


@example([b"\n\n", " \n\n To begin, é. \n".encode(), b"\n", b" It is 3.14."])
@given(chunked(TEXTS))
def test_it_ends_where_a_sentence_ends(pieces: list[bytes]) -> None:
    pieces = [piece for piece in pieces if piece]
    found, ends, start = cut_pieces(chained_end(CUES), pieces), set(), 0
    while found.fired and start < found.kept:
        sentence = cut_pieces(sentence_end(), pieces[start:], before=b"".join(pieces[:start]).decode(errors="ignore"))
        start += sentence.kept
        ends.add(start)
    assert not found.fired or found.kept in ends
