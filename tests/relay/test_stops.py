"""Stop texts: never part of the answer, never shown, whoever writes them and however they are cut into tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pairs import Listed, Played, bpe, listed, play, shape

from relaygen.policies import Commit, Draft, Insert, Write
from relaygen.relay import Options
from relaygen.relay.stops import StopTexts
from relaygen.types import LARGE, SMALL, Ended, Ending, Event, Segment, Token, Written
from relaygen.until import paragraph_end, think_end, tokens

ANSWERS = "Q: <think></think>"
STOP = Options(stop=("STOP", "###"))


def answered(policy: Listed, *lines: str, options: Options = STOP, **settings: object) -> Played:
    """A generation without a reasoning stage; small has all the lines."""
    return play(policy, ["L"], lines, options=options, prompt=ANSWERS, **settings)  # type: ignore[arg-type]


def shown(played: Played) -> str:
    return "".join(event.text for event in played.events if isinstance(event, Written))


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it() -> None:
    played = answered(listed(Write(SMALL), Write(LARGE)), "One STOP two")
    assert shape(played.trace) == [(SMALL, "One ", "stop")]
    assert (played.trace.segments[0].why, played.trace.finish_reason) == ("STOP", "stop")
    assert (played.trace.usage.small_tokens, played.trace.usage.wasted_small) == (4, 4)
    assert played.small.produced == 8


def test_nothing_of_a_stop_text_is_shown_before_it_is_whole() -> None:
    played = answered(listed(Write(SMALL)), "ST ST#STOP")
    assert [event.text for event in played.events if isinstance(event, Written)] == list("ST ST#")
    assert shown(played) == played.trace.text == "ST ST#"


def test_what_only_looked_like_a_stop_text_is_shown() -> None:
    played = answered(listed(Write(SMALL)), "STO")
    assert shown(played) == played.trace.text == "STO"
    assert (played.trace.segments[0].ending, played.trace.finish_reason) == (Ending.EOS, "stop")


def test_a_stop_text_within_a_token_leaves_the_characters_in_front_of_it() -> None:
    tokenizer = bpe(300, "aSTOPb" * 9)
    played = answered(listed(Write(SMALL)), "xaSTOPbx", tokenizers=(tokenizer, tokenizer))
    assert "aSTOPb" in map(tokenizer.decode, ([id] for id in tokenizer.encode("xaSTOPbx")))
    assert shown(played) == played.trace.text == "xa"
    assert tokenizer.decode(played.trace.tokens) == "x"
    assert played.trace.usage.completion_tokens == 1


def test_a_stop_text_may_span_segments() -> None:
    policy = listed(Write(SMALL, tokens(3)), Write(LARGE, tokens(1)), Write(SMALL), Write(LARGE))
    played = play(policy, ["O"], ["aST", "Pb"], options=STOP, prompt=ANSWERS)
    assert shown(played) == played.trace.text == "a"
    assert shape(played.trace) == [(SMALL, "a", "tokens"), (LARGE, "", "tokens"), (SMALL, "", "stop")]
    assert (played.trace.usage.wasted_small, played.trace.usage.wasted_large) == (3, 1)
    assert isinstance(played.events[-2], Ended)
    assert played.events[-2].segment == played.trace.segments[-1]


def test_a_segment_that_may_be_part_of_a_stop_text_is_shown_later() -> None:
    policy = listed(Write(SMALL, paragraph_end()), Write(LARGE))
    played = play(policy, ["Human"], ["Yes.\n\n"], options=Options(stop=("\n\nHuman:",)), prompt=ANSWERS)
    assert shown(played) == played.trace.text == "Yes.\n\nHuman"
    kinds = [type(event).__name__ for event in played.events]
    assert kinds == ["Written"] * 6 + ["Ended"] + ["Written"] * 5 + ["Ended", "Finished"]


def test_the_reasoning_ignores_stop_texts() -> None:
    played = play(listed(Write(LARGE, think_end()), Write(SMALL)), ["a STOP b</think>"], ["c STOP"], options=STOP)
    assert (played.trace.reasoning, played.trace.answer) == ("a STOP b</think>", "c ")


def test_stop_texts_do_not_wait_for_min_tokens() -> None:
    played = answered(listed(Write(SMALL, min_tokens=9)), "aSTOPbcdefghijk")
    assert (played.trace.text, played.small.produced) == ("a", 5)


def test_drafts_and_insertions_are_cut_as_well() -> None:
    policy = listed(Draft(SMALL), lambda past: Commit(past[0]))
    played = answered(policy, "abSTOPcd")
    assert (played.trace.text, played.trace.segments[0].ending, played.trace.finish_reason) == ("ab", "stop", "stop")
    assert played.trace.usage.wasted_small == 4
    played = answered(listed(Insert("ab###c", LARGE), Write(SMALL)), "never")
    assert (shown(played), played.trace.finish_reason) == ("ab", "stop")
    assert (played.trace.usage.inserted_tokens, played.trace.usage.wasted_large) == (2, 0)


def test_of_stop_texts_that_end_together_the_longest_counts() -> None:
    played = answered(listed(Write(SMALL)), "aSTOP", options=Options(stop=("OP", "STOP")))
    assert (played.trace.text, played.trace.segments[0].why) == ("a", "STOP")


def test_a_stop_text_that_begins_within_a_character_of_many_tokens_is_cut_whole() -> None:
    played = answered(listed(Write(SMALL)), "aé!", options=Options(stop=("é!",)))
    assert played.small.tokenizer.decode(played.trace.tokens) == shown(played) == "a"


PIECES = st.lists(st.text("ab", max_size=3), max_size=9)


@given(PIECES, st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_let_through_is_the_text_in_front_of_the_first_stop_text(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    gate, through = StopTexts(tuple(stops)), ""
    ends = [(whole.find(s) + len(s), -len(s)) for s in stops if s in whole]
    front = whole[: sum(min(ends))] if ends else whole
    for piece in pieces:
        for event in gate.admit(Written(SMALL, (Token(1),), piece, False)):
            assert isinstance(event, Written)
            through += event.text
            assert front.startswith(through)
    rest = "".join(event.text for event in gate.rest() if isinstance(event, Written))
    assert through + rest == front
    assert bool(gate.found) == bool(ends)


def test_without_stop_texts_everything_passes_at_once() -> None:
    segment = Segment(role=SMALL, tokens=(), text="", ending=Ending.EOS)
    gate = StopTexts(())
    for event in (Written(SMALL, (), "", False), Ended(segment)):
        assert gate.admit(event) == (event,)
    assert gate.rest() == []


@pytest.mark.parametrize("ending", [Ending.LENGTH, Ending.EOS])
def test_a_segment_that_has_ended_is_told_in_order(ending: Ending) -> None:
    gate = StopTexts(("ab",))
    events: list[Event] = [
        Written(SMALL, (), "a", False),
        Ended(Segment(role=SMALL, tokens=(), text="a", ending=ending)),
    ]
    assert [gate.admit(event) for event in events] == [[], []]
    after = Written(SMALL, (), "c", False)
    assert gate.admit(after) == [*events, after]
