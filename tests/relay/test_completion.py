"""What holds for every generation: any policy, any script, any tokens, any text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pairs import Listed, Played, Step, bpe, play

from relaygen.engines.scripted import EOS, Line, byte_tokenizer
from relaygen.policies import Ask, Commit, Draft, Drafted, Insert, Instruction, Write
from relaygen.relay import Options
from relaygen.types import LARGE, SMALL, Ended, Finished, Written
from relaygen.until import chained_end, cue, margin_below, paragraph_end, sentence_end, text, think_end, tokens

PIECES = ("So, ", "now ", "ends. ", "</think>", EOS, "é", "漢字", "😀", "\n\n", "STOP", "ST", " x", "<think>", "3.14 ")
LINES = st.builds(
    Line,
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    margins=st.lists(st.floats(0, 1), min_size=1, max_size=4).map(tuple),
    ends=st.booleans(),
)
SCRIPTS = st.lists(LINES, max_size=8)
ROLES = st.sampled_from([LARGE, SMALL])
PARTS = st.sampled_from(
    [
        cue(["So,", "now"]),
        sentence_end(),
        chained_end(("So,", "now")),
        paragraph_end(),
        think_end(),
        text("x"),
        tokens(3),
        margin_below(0.4),
        margin_below(0.4, window=2, drop=True),
    ]
)
UNTILS = st.none() | PARTS | st.tuples(PARTS, PARTS).map(lambda both: both[0] | both[1])
LIMITS = st.none() | st.integers(0, 20)


def commit(count: int | None) -> Step:
    """Takes the latest draft, if it is the latest answer: a draft is of use only where it was made."""

    def make(answers: list[Any]) -> Instruction:
        draft = answers[-1] if answers else None
        return Commit(draft, count) if isinstance(draft, Drafted) else Insert("", LARGE)

    return make


WRITES = st.builds(Write, ROLES, UNTILS, st.integers(0, 4), LIMITS)
DRAFTS = st.builds(Draft, ROLES, UNTILS, st.integers(0, 4), LIMITS)
OTHERS = st.builds(Insert, st.sampled_from(["", "é", "Hm. </think>", " STOP"]), ROLES) | st.builds(
    Ask, ROLES, st.just("Sure?"), st.integers(1, 3)
)
COMMITS = st.builds(commit, LIMITS)
POLICIES = st.lists(WRITES | DRAFTS | OTHERS | COMMITS, max_size=12).map(lambda steps: Listed(steps, []))
BYTES, BPES = byte_tokenizer(), [bpe(size) for size in (290, 330)]
SHARED = st.sampled_from([(BYTES, BYTES), (BPES[0], BPES[0]), (BPES[1], BPES[1])])
MIXED = st.sampled_from([(BYTES, BPES[0]), (BPES[1], BYTES), (BPES[0], BPES[1])])
OPTIONS = st.builds(
    Options,
    max_tokens=st.integers(1, 60) | st.just(1000),
    stop=st.sampled_from([(), ("STOP",), ("STOP", "TO"), ("é漢",), ("😀", "x")]),
    margins=st.booleans(),
)
PROMPTS = st.sampled_from(["Q: <think>\n", "Q: ", "Q: <think>\n\n</think>\n\n"])


def check_books(played: Played) -> None:
    trace, usage = played.trace, played.trace.usage
    assert usage.completion_tokens == len(trace.tokens) <= played.generation.options.max_tokens
    for engine, role, wasted in ((played.large, LARGE, usage.wasted_large), (played.small, SMALL, usage.wasted_small)):
        written = sum(len(s.tokens) for s in trace.segments if s.role is role and not s.inserted)
        assert written == (usage.large_tokens if role is LARGE else usage.small_tokens)
        # All that is made is written or wasted, but for the ends of sequences, of which a call meets one at most.
        assert 0 <= engine.produced - written - wasted <= len(engine.calls)
        assert engine.running == 0
    assert usage.inserted_tokens == sum(len(s.tokens) for s in trace.segments if s.inserted)


def check_events(played: Played) -> None:
    trace = played.trace
    written = [event for event in played.events if isinstance(event, Written)]
    assert "".join(event.text for event in written) == trace.text
    assert tuple(token.id for event in written for token in event.tokens) == trace.tokens
    assert [type(event) for event in played.events].count(Finished) == 1
    if trace.segments:
        last = [event.segment for event in played.events if isinstance(event, Ended)][-1]
        assert trace.segments[-1].ending is last.ending


def check_segments(played: Played) -> None:
    trace = played.trace
    assert trace.reasoning + trace.answer == trace.text
    stages = [segment.thinking for segment in trace.segments]
    assert stages == sorted(stages, reverse=True)
    for one, next_one in pairwise(trace.segments):
        assert (one.role, one.thinking, one.inserted) != (next_one.role, next_one.thinking, next_one.inserted)
    if played.generation.options.margins:
        assert all(len(s.margins) == len(s.tokens) for s in trace.segments if not s.inserted)


def check_stops(played: Played) -> None:
    stops = played.generation.options.stop
    assert not any(stop in played.trace.answer for stop in stops)


@given(POLICIES, SCRIPTS, SCRIPTS, SHARED, OPTIONS, PROMPTS)
def test_segments_are_the_completion(
    policy: Listed,
    large: list[Line],
    small: list[Line],
    tokenizers: tuple[object, object],
    options: Options,
    prompt: str,
) -> None:
    played = play(policy, large, small, options=options, tokenizers=tokenizers, prompt=prompt)  # type: ignore[arg-type]
    trace = played.trace
    decoded = played.large.tokenizer.decode(trace.tokens)
    if played.generation._stops.found:
        assert trace.text.startswith(decoded)
    else:
        assert decoded == trace.text
    check_books(played)
    check_events(played)
    check_segments(played)
    check_stops(played)


@given(POLICIES, SCRIPTS, SCRIPTS, MIXED, OPTIONS, PROMPTS)
def test_segments_are_the_completion_with_two_vocabularies(
    policy: Listed,
    large: list[Line],
    small: list[Line],
    tokenizers: tuple[object, object],
    options: Options,
    prompt: str,
) -> None:
    played = play(policy, large, small, options=options, tokenizers=tokenizers, prompt=prompt)  # type: ignore[arg-type]
    trace, context = played.trace, played.generation.context
    seen = {
        role: engine.tokenizer.decode(context.ids(role))
        for role, engine in ((LARGE, played.large), (SMALL, played.small))
    }
    assert seen[LARGE] == seen[SMALL]
    assert seen[LARGE].startswith(prompt + trace.text)
    own = {LARGE: played.large.tokenizer, SMALL: played.small.tokenizer}
    assert trace.text.startswith("".join(own[s.role].decode(s.tokens) for s in trace.segments))
    if not played.generation._stops.found:
        assert seen[LARGE] == prompt + trace.text
    check_books(played)
    check_events(played)
    check_segments(played)
    check_stops(played)


@given(POLICIES, SCRIPTS, SCRIPTS, SHARED)
def test_every_call_continues_what_has_been_committed(
    policy: Listed, large: list[Line], small: list[Line], tokenizers: tuple[object, object]
) -> None:
    policy = Listed([step for step in policy.instructions if not isinstance(step, Ask)], [])
    played = play(policy, large, small, tokenizers=tokenizers)  # type: ignore[arg-type]
    whole = (*played.trace.prompt, *played.trace.tokens)
    for call in (*played.large.calls, *played.small.calls):
        assert call == whole[: len(call)]


@pytest.mark.parametrize("tokenizer", [BYTES, *BPES])
@given(texts=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_same_script_gives_the_same_trace(tokenizer: object, texts: str) -> None:
    policy = Listed([Write(LARGE, cue(["So,"]) | think_end()), Write(SMALL)], [])
    one, two = (play(policy, [texts], ["a"], tokenizers=(tokenizer, tokenizer)).trace for _ in range(2))  # type: ignore[arg-type]
    assert (one.tokens, one.usage, one.finish_reason) == (two.tokens, two.usage, two.finish_reason)
