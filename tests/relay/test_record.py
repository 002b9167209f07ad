"""The books of one generation."""

from __future__ import annotations

import pytest

from relaygen.engines.scripted import ScriptedEngine, byte_tokenizer
from relaygen.relay.record import INCOMPLETE, Record
from relaygen.types import LARGE, SMALL, Candidate, Ending, Role, Token, Usage

TOP = (Candidate(1, 0.0), Candidate(2, -50.0))


def record(*notes: str) -> Record:
    return Record("policy", (1, 2, 3), 7, {LARGE: ScriptedEngine([]), SMALL: ScriptedEngine([])}, notes)


def write(books: Record, role: Role, text: str | bytes, top: bool = False) -> str:
    ids = text if isinstance(text, bytes) else byte_tokenizer().encode(text)
    return "".join(books.write(role, Token(id, -0.5, TOP if top else ())).text for id in ids)


def test_pieces_of_one_role_join() -> None:
    books = record("note")
    for role, text, ending in ((LARGE, "a", Ending.CUE), (LARGE, "bc", Ending.TOKENS), (SMALL, "d", Ending.EOS)):
        write(books, role, text, top=role is LARGE)
        piece = books.end(role, ending, why=text, seconds=1.0, overrun=2)
        assert piece.text == text
    trace = books.trace("stop")
    assert [(s.role, s.text, s.ending, s.why, s.seconds, s.overrun) for s in trace.segments] == [
        (LARGE, "abc", Ending.TOKENS, "bc", 2.0, 4),
        (SMALL, "d", Ending.EOS, "d", 1.0, 2),
    ]
    assert [len(s.logprobs) for s in trace.segments] == [3, 1]
    assert [len(s.margins) for s in trace.segments] == [3, 0]
    assert trace.usage == Usage(prompt_tokens=3, large_tokens=3, small_tokens=1, wasted_large=4, wasted_small=2)
    assert (trace.policy, trace.seed, trace.notes, trace.prompt) == ("policy", 7, ("note",), (1, 2, 3))
    assert trace.seconds_of(LARGE) == 2.0


def test_the_two_stages_and_insertions_stay_apart() -> None:
    books = record()
    books.thinking = True
    for thinking, inserted in ((True, False), (True, True), (False, False)):
        books.thinking = thinking
        write(books, LARGE, "x")
        books.end(LARGE, Ending.TEXT, inserted=inserted)
    trace = books.trace("stop")
    assert [(s.thinking, s.inserted) for s in trace.segments] == [(True, False), (True, True), (False, False)]
    assert (trace.usage.large_tokens, trace.usage.inserted_tokens) == (2, 1)


def test_a_call_that_brought_nothing_is_on_the_books() -> None:
    books = record()
    books.end(SMALL, Ending.EOS, seconds=0.5)
    trace = books.trace("stop")
    assert [(s.tokens, s.ending) for s in trace.segments] == [((), Ending.EOS)]
    assert trace.seconds_of(SMALL) == 0.5


def test_an_open_piece_is_seen_and_stays_open() -> None:
    books = record()
    write(books, LARGE, "ab")
    books.end(LARGE, Ending.CUE)
    write(books, SMALL, "c")
    assert [(s.text, s.ending) for s in books.trace("aborted").segments] == [("ab", "cue"), ("c", "aborted")]
    write(books, SMALL, "d")
    assert books.end(SMALL, Ending.EOS).text == "cd"
    assert books.trace("stop").text == "abcd"


def test_a_character_counts_to_who_completes_it() -> None:
    books = record()
    assert write(books, LARGE, "é".encode()[:1]) == ""
    books.end(LARGE, Ending.TOKENS)
    assert books.incomplete == INCOMPLETE
    assert books.trace("aborted").text == INCOMPLETE
    assert write(books, SMALL, "é".encode()[1:]) == "é"
    books.end(SMALL, Ending.EOS)
    assert [s.text for s in books.trace("stop").segments] == ["", "é"]
    assert books.incomplete == ""


@pytest.mark.parametrize(("length", "kept"), [(0, ""), (1, "a"), (2, "ab"), (3, "abc"), (5, "abcde"), (9, "abcdef")])
def test_the_completion_can_be_cut(length: int, kept: str) -> None:
    books = record()
    for role, text in ((LARGE, "ab"), (SMALL, "cd"), (LARGE, "ef")):
        write(books, role, text)
        books.end(role, Ending.TOKENS)
    books.cut(length)
    trace = books.trace("stop")
    assert (trace.text, byte_tokenizer().decode(trace.tokens)) == (kept, kept)
    usage = trace.usage
    assert usage.completion_tokens == books.completion_tokens == len(kept)
    assert usage.completion_tokens + usage.wasted_large + usage.wasted_small == 6
    assert sum(s.overrun for s in trace.segments) == 6 - len(kept)


def test_a_cut_forgets_half_a_character_behind_it() -> None:
    books = record()
    write(books, LARGE, b"a" + "é".encode()[:1])
    books.end(LARGE, Ending.STOP)
    books.cut(1)
    assert (books.trace("stop").text, books.trace("stop").tokens) == ("a", (97,))


@pytest.mark.parametrize(
    ("text", "thinking", "undecided"),
    [
        ("", True, True),
        ("\n ", True, True),
        ("<thi", True, True),
        ("<think>", True, False),
        (" \n<think>so", True, False),
        ("So", False, False),
        ("<thin ", False, False),
        ("</think>", False, False),
    ],
)
def test_the_first_words_decide_whether_there_is_reasoning(text: str, thinking: bool, undecided: bool) -> None:
    books = record()
    books.thinking = books.undecided = True
    write(books, LARGE, text)
    assert (books.thinking, books.undecided) == (thinking, undecided)


def test_the_time_to_the_first_token_is_known_when_there_is_one() -> None:
    books = record()
    assert books.trace("stop").first_token_seconds is None
    write(books, LARGE, "a")
    first = books.trace("stop").first_token_seconds
    assert first is not None
    assert 0 <= first <= books.trace("stop").seconds
