"""Ends of sentences: where they are, where they only seem to be, and what is given back."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.chunks import Cut, chunked, cut

from relaygen.types import Ending
from relaygen.until import behind_sentence, paragraph_end, sentence_end, think_end
from relaygen.until.sentence import CLOSERS, ENDERS, FULL_WIDTH

END = sentence_end()

# Each with the part that no segment may end in: from the second to the last character between the bars.
GUARDED = (
    *("pi is |3.14| or", "so |e.g.| this", "that is |i.e.| it", "\n|1.| First", "\n  |12.| Then", "\n- |3.| Third"),
    *(
        "hmm|...| then",
        "and |5!| is",
        "take |n!| ways",
        "at |p.m.| today",
        "see |Fig.| 3",
        "is |2.5| now",
        "|(k+1)!| of",
    ),
)
PLAIN = (
    *(
        " It ends. ",
        " Really? ",
        "Yes!\n",
        "\n\n",
        'He said "no." ',
        "a",
        " b,",
        "é",
        "漢字。",
        " 7",
        " x=3. ",
        ".\n\n",
    ),
    *(".\n\n", " ", "“"),
)
TEXTS = st.lists(st.sampled_from([f" {text} " for text in GUARDED] + list(PLAIN)), min_size=1, max_size=14).map("".join)


def protected(marked: str) -> tuple[str, list[range]]:
    """The text without the bars, and the positions where no segment may end."""
    text, places = "", []
    for i, part in enumerate(marked.split("|")):
        if i % 2:
            places.append(range(len(text) + 1, len(text) + len(part) + 1))
        text += part
    return text, places


def ends(pieces: list[bytes]) -> list[int]:
    """After how many characters the segments end when the text is cut into one after the other."""
    found, start, text = [0], 0, ""
    while start < len(pieces):
        segment = cut(END, pieces[start:], before=text)
        start += segment.kept
        text = b"".join(pieces[:start]).decode(errors="ignore")
        found.append(len(text))
    return found


@given(st.data())
def test_no_segment_ends_inside_a_number_an_abbreviation_or_an_ellipsis(data: st.DataObject) -> None:
    text, places = protected(data.draw(TEXTS))
    pieces = data.draw(chunked(st.just(text)))
    for end in ends(pieces)[1:-1]:
        for place in places:
            behind = text[place[-1] : end]
            assert end not in place
            assert not behind.isspace() or re.search(r"\n[ \t]*\n", behind), text[:end]


SENTENCES = ("It ends.", "Really?", "Yes!", 'He said "no."', "Pi is 3.14 now.", "So e.g. this.", "Hmm... well.", "x=3.")


@pytest.mark.parametrize("tokens", [r".", r" ?\S+", r" ?\w+| ?\W"])
@given(sentences=st.lists(st.sampled_from(SENTENCES), min_size=1))
def test_every_sentence_is_a_segment(tokens: str, sentences: list[str]) -> None:
    text = " ".join(sentences)
    found = ends([piece.encode() for piece in re.findall(tokens, text)])
    assert [text[a:b].strip() for a, b in pairwise(found)] == sentences


@given(chunked(TEXTS))
@example([b"Done.", b"\xe3", b"\x80", b"\x80Then"])
def test_exactly_what_follows_the_ender_is_given_back(pieces: list[bytes]) -> None:
    found = cut(END, pieces)
    if found.fired and found.fired.give_back:
        assert found.text.rstrip(CLOSERS)[-1] in ENDERS
        assert found.given_back[0].isspace()
        assert b"".join(pieces[: found.kept]) == found.text.encode()
    elif found.fired:
        assert found.text[-1].isspace() or found.text.rstrip(CLOSERS).endswith(FULL_WIDTH)


def parts(found: Cut) -> tuple[str, str]:
    return (found.text, found.given_back) if found.fired else ("", "")


@pytest.mark.parametrize(
    ("pieces", "kept", "back"),
    [
        (("Done", ".", " Then"), "Done.", " Then"),
        (("Done.", " Then"), "Done.", " Then"),
        (("Done", "!", " "), "Done!", " "),
        (("Done?", " Then"), "Done?", " Then"),
        (("Done", ". ", "Then"), "Done. ", ""),
        (("Done", ".", "\n", "Then"), "Done.\n", ""),
        (("Done", ".\n\n", "Then"), "Done.\n\n", ""),
        (("Done", ".", "\n\n", "Then"), "Done.\n\n", ""),
        (("Done.", "\n\nThen"), "Done.", "\n\nThen"),
        (("no", "\n", "\n", "Then"), "no\n\n", ""),
        (("no", "\n", " \t", "\n", "Then"), "no\n \t\n", ""),
        (("Done", ".", '"', ")", " Then"), 'Done.")', " Then"),
        (("Done", ".", '"\n', "Then"), 'Done."\n', ""),
        (("Done", ".", "</think>"), "Done.", "</think>"),
        (("完了。", "次"), "完了。", ""),
        (("完了", "。”", "次"), "完了。”", ""),
        (("x is 3", ".", " Then"), "x is 3.", " Then"),
        (("this is 5!", ".", " Then"), "this is 5!.", " Then"),
        (("No", ".", " So"), "No.", " So"),
        (("divides p", ".", " So"), "divides p.", " So"),
        (("Wait... now", ".", " So"), "Wait... now.", " So"),
    ],
)
def test_where_a_sentence_ends(pieces: tuple[str, ...], kept: str, back: str) -> None:
    assert parts(cut(END, pieces)) == (kept, back)


@pytest.mark.parametrize(
    "pieces",
    [
        ("It is 3", ".", "14", " now"),
        ("It is 3", ".1", "4", " now"),
        ("so e", ".", "g", ".", " this"),
        ("so e.g", ".", " this"),
        ("that is, i.e.", " it"),
        ("1", ".", " First"),
        ("Steps:\n 2", ".", " First"),
        ("hmm", "...", " well"),
        ("hmm", ".", ".", ".", " well"),
        ("5", "!", " is"),
        ("n", "!", " is"),
        ("see Fig", ".", " 3"),
        ("a file", ".txt", " is"),
        ("one", "\n", "two"),
        ("Then. 3", ".14"),
        (" The", " end", "."),
    ],
)
def test_where_no_sentence_ends(pieces: tuple[str, ...]) -> None:
    assert cut(END, pieces).fired is None


def test_a_list_number_at_the_beginning_of_a_segment_is_judged_by_what_stands_before() -> None:
    assert cut(END, ["3.", " Then"], before="the sum is ").fired
    assert cut(END, ["3.", " Then"], before="the sum is\n").fired is None


def test_an_ender_or_a_line_break_before_the_segment_does_not_count() -> None:
    assert cut(END, [" Then", " on"], before="Done.").fired is None
    assert cut(END, ['"', " Then"], before="Done.").fired is None
    assert cut(END, ["\n", "Then"], before="Done.\n").fired is None


def test_a_special_token_is_no_punctuation() -> None:
    assert cut(END, ["Done", "</think>"]).fired is None


def test_the_end_of_thinking_wins_over_the_end_of_the_sentence() -> None:
    found = cut(END | think_end(), ["Done", ".", "</think>"])
    assert (found.fired and found.fired.ending, found.text) == (Ending.THINK_END, "Done.</think>")


def test_early_ends_are_passed_over() -> None:
    found = cut(END, ["A", ".", " B", ".", " C", ".", " D"], min_tokens=3)
    assert parts(found) == ("A. B.", " C")


def test_white_space_behind_an_end_that_was_too_early_is_not_another() -> None:
    assert cut(END, ["A. ", " ", "b"], min_tokens=1).fired is None


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (("It is 3", ".", "14"), "It is 3."),
        (("e", ".g.", " x"), "e.g."),
        (("a", "...", " b"), "a..."),
        (("5", "!", " is"), "5!"),
        (("so", "?", " is"), "so?"),
        (("a", "\n", "\n", "b"), "a\n\n"),
        (("a", ".\n\n", "b"), "a.\n\n"),
    ],
)
def test_the_published_matching_stops_at_the_bare_characters(pieces: tuple[str, ...], kept: str) -> None:
    found = cut(sentence_end(match="substring"), pieces)
    assert (found.text, found.given_back) == (kept, "")


def test_the_published_matching_needs_a_double_line_break() -> None:
    assert cut(sentence_end(match="substring"), ["a", "\n", " \n", "b"]).fired is None
    assert cut(sentence_end(match="substring"), ["\n", "b"], before="a\n").fired is None


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (("One. Two", ".\n\n", "T"), "One. Two.\n\n"),
        (("One", ".\n", "\n", "T"), "One.\n\n"),
        (("a\n", " \n\n"), "a\n \n\n"),
    ],
)
def test_paragraphs_end_with_a_blank_line(pieces: tuple[str, ...], kept: str) -> None:
    found = cut(paragraph_end(), pieces)
    assert (found.fired and found.fired.ending, found.text) == (Ending.PARAGRAPH, kept)


def test_a_line_break_alone_ends_no_paragraph() -> None:
    assert cut(paragraph_end(), ["One.", "\n", "Two.", "", " \n", "x"]).fired is None


@pytest.mark.parametrize(
    ("text", "behind"),
    [
        ("So 7 is left", None),
        ("So 7. Then ", "Then "),
        ("So 3.14, e.g. this ", None),
        ('He said "7." Now 8? Thus', "Thus"),
        ("First\n\nThen", "Then"),
        ("So 7.", None),
    ],
)
def test_what_stands_behind_the_last_end_of_a_sentence(text: str, behind: str | None) -> None:
    assert behind_sentence(text) == behind
