"""Segments in calibration are the segments of the run, and the quick way to find them is the exact one."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.calibration.planted import PlantedEngine, merging_tokenizer, relay, thought, transcript
from tests.pairs import bpe

from relaygen.calibration.replay import replay
from relaygen.calibration.sites import Offload, Sites, Switching
from relaygen.engines.scripted import byte_tokenizer
from relaygen.errors import UsageError
from relaygen.policies import Insert, Steps, create_policy
from relaygen.profile import load_profile
from relaygen.tokenizer import Tokenizer
from relaygen.types import LARGE, SMALL, Ending, Role

WORDS = ["Thus", "Thus,", "thus", "So", "Now", "Now the", "know", "check", "double-check", "a", "it", "3.14", "e.g."]
MARKS = [" ", " ", " ", ". ", ", ", "! ", "\n", "\n\n", "? ", ": "]
CUES = ["Thus", "Thus,", "So ", "Now", "Now the", "check", "double-check", "it", "the", "No"]
texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(MARKS)), min_size=1, max_size=40).map(
    lambda pairs: "".join(word + mark for word, mark in pairs)
)
cue_sets = st.lists(st.sampled_from(CUES), min_size=1, max_size=4, unique=True)


ways = st.builds(
    Switching,
    match=st.sampled_from(["word", "substring"]),
    min_tokens=st.integers(0, 8),
    max_segment=st.integers(1, 30),
)


def crossing_tokenizer() -> Tokenizer:
    """Tokens of several words and marks."""
    return bpe(400, "Thus, it. Now the check. So Thus it, So. double-check\n\nNow know it! 3.14 Thus, a Now. ")


@given(
    text=texts,
    cues=cue_sets,
    switching=ways,
    tokenizer=st.sampled_from([byte_tokenizer, merging_tokenizer, crossing_tokenizer]),
)
@example(text="Now the ", cues=["Now", "Now the"], switching=Switching(min_tokens=3), tokenizer=merging_tokenizer)
@settings(max_examples=300)
def test_sites_give_the_segments_of_the_policy(
    text: str, cues: list[str], switching: Switching, tokenizer: Callable[[], Tokenizer]
) -> None:
    script = transcript(thought(text), tokenizer=tokenizer())
    pieces = replay(switching.policy(cues), script)
    expected = [(p.start, p.end) for p in pieces if p.role is SMALL and p.thinking]
    sites = Sites(script, script.reasoning_length, CUES, switching)
    found = sites.offloads({CUES.index(cue) for cue in cues})
    assert [(o.start, o.end) for o in found] == expected


@given(text=texts, cues=cue_sets, tokenizer=st.sampled_from([byte_tokenizer, merging_tokenizer, crossing_tokenizer]))
@example(text="check Thus. check? Thus ", cues=["check"], tokenizer=byte_tokenizer)
@settings(max_examples=300)
def test_sites_give_the_segments_of_chained_sentences_too(
    text: str, cues: list[str], tokenizer: Callable[[], Tokenizer]
) -> None:
    script, switching = transcript(thought(text), tokenizer=tokenizer()), Switching(chain=True, min_tokens=2)
    pieces = replay(switching.policy(cues), script)
    expected = [(p.start, p.end) for p in pieces if p.role is SMALL and p.thinking]
    found = Sites(script, script.reasoning_length, CUES, switching).offloads({CUES.index(cue) for cue in cues})
    assert [(o.start, o.end) for o in found] == expected


@given(text=texts, cues=cue_sets)
@settings(max_examples=60)
def test_a_replay_is_what_the_relay_does_when_small_writes_what_large_wrote(text: str, cues: list[str]) -> None:
    completion = thought(text)
    engines = [PlantedEngine(lambda prompt: completion[len(prompt) - 2 :]) for _ in Role]
    policy = Switching().policy(cues)
    options = relay(*engines, max_tokens=5000, repetition_guard=False)
    trace = anyio.run(lambda: options.agenerate("Q", policy=policy))
    pieces = replay(policy, transcript(completion))
    assert trace.text == completion.removesuffix("<|end|>")
    assert _joined([(p.role, p.end - p.start) for p in pieces]) == _joined(
        [(s.role, len(s.tokens)) for s in trace.segments]
    )


@given(text=texts, spec=st.sampled_from(["relaygen", "random", "random(share=0.3)", "answer-only", "large", "small"]))
@settings(max_examples=60)
def test_pieces_cover_the_completion_in_order(text: str, spec: str) -> None:
    script = transcript(thought(text))
    pieces = replay(create_policy(spec, load_profile("candidates")), script)
    assert [p.start for p in pieces] == [0, *(p.end for p in pieces[:-1])]
    assert pieces[-1].end == len(script)


def test_a_trace_that_was_cut_off_is_all_reasoning() -> None:
    script = transcript("<think>Thus it goes on and on")
    pieces = replay(Switching(min_tokens=0).policy(["Thus"]), script)
    assert [(p.role, p.ending) for p in pieces] == [(LARGE, Ending.CUE), (SMALL, Ending.EOS)]
    assert script.reasoning_length == len(script)


def test_the_token_that_confirms_a_cue_stays_with_large() -> None:
    script = transcript(thought("Well, Thus it is. Next."))
    (offload,) = Sites(script, script.reasoning_length, ["Thus"], Switching()).offloads({0})
    assert offload.cue == 0
    assert script.words(offload.start, offload.end) == "it is."


def test_cues_that_fire_together_are_named_by_the_longest() -> None:
    script = transcript(thought("Let us see. Thus, it is."))
    sites = Sites(script, script.reasoning_length, ["Thus", "Thus,"], Switching())
    assert [o.cue for o in sites.offloads({0, 1})] == [1]
    assert [o.cue for o in sites.offloads({0})] == [0]
    assert sites.offloads(set[int]()) == []


def test_a_cue_within_the_first_tokens_of_large_does_not_fire() -> None:
    script = transcript(thought("So. So it is."))
    offloads = Sites(script, script.reasoning_length, ["So"], Switching(min_tokens=5)).offloads({0})
    assert offloads == [Offload(0, 8, len("<So. So it is.>"))]  # small is at the end of the thinking, and ends it


def test_a_policy_that_inserts_text_cannot_be_replayed() -> None:
    class Inserting:
        name = "inserting"

        def run(self) -> Steps:
            yield Insert("hello", LARGE)

    with pytest.raises(UsageError, match="inserting can't be replayed"):
        replay(Inserting(), transcript(thought("a.")))


def _joined(runs: list[tuple[Role, int]]) -> list[tuple[Role, int]]:
    """Neighbours of one role together: the trace keeps reasoning and answer apart, which does not matter here."""
    found: list[tuple[Role, int]] = []
    for role, length in runs:
        if found and found[-1][0] is role:
            found[-1] = (role, found[-1][1] + length)
        else:
            found.append((role, length))
    return found
