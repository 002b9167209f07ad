"""Engines that fail, circles, and readers that leave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import pytest
from tests.pairs import listed, pair, play

from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError
from relaygen.policies import Ask, Draft, Instruction, Write
from relaygen.policies.relaygen import RelayGen
from relaygen.profile import Profile
from relaygen.relay import Generation, Options, Relay
from relaygen.relay.run import circles
from relaygen.types import LARGE, SMALL, Ending, Event, Role, Written
from relaygen.until import think_end, tokens

pytestmark = pytest.mark.anyio
REASON = Write(LARGE, think_end())


def test_a_failure_carries_what_was_written() -> None:
    policy = listed(Write(LARGE, tokens(2)), Write(SMALL, tokens(3)))
    with pytest.raises(EngineError, match="small failed, as its script says") as caught:
        play(policy, ["abc"], [Line("defg", fail_after=2)])
    trace = caught.value.trace
    assert trace is not None
    assert [(s.role, s.text, s.ending) for s in trace.segments] == [
        (LARGE, "ab", Ending.TOKENS),
        (SMALL, "d", Ending.ABORTED),  # the newest token is not certain, and was not shown
    ]
    assert trace.finish_reason == "error"
    assert trace.usage.completion_tokens == len(trace.tokens) == 3


@pytest.mark.parametrize("role", [LARGE, SMALL])
@pytest.mark.parametrize("instruction", [Write, Draft, lambda role: Ask(role, "?")])
def test_a_failure_says_which_model_it_was(role: Role, instruction: Callable[[Role], Instruction]) -> None:
    broken = [Line("b", fail_after=0)]
    with pytest.raises(EngineError, match=rf"^The {role} model \({role}\) failed: {role} failed, as its") as caught:
        play(listed(instruction(role)), broken, broken)
    assert caught.value.public == f"The {role} model ({role}) failed."


@pytest.mark.parametrize("instruction", [Draft(SMALL), Ask(SMALL, "?")])
def test_failures_outside_of_the_text_carry_the_text_too(instruction: Draft | Ask) -> None:
    with pytest.raises(EngineError) as caught:
        play(listed(Write(LARGE, tokens(1)), instruction), ["a"], [Line("b", fail_after=0)])
    assert caught.value.trace is not None
    assert caught.value.trace.text == "a"


def test_going_round_in_circles_ends_a_generation() -> None:
    played = play(listed(REASON), ["Well. " + "so on " * 100])
    assert played.trace.finish_reason == played.trace.segments[-1].ending == "repetition"
    assert played.trace.usage.completion_tokens < 200
    assert (played.large.running, played.trace.usage.wasted_large) == (0, 0)


def test_two_models_that_hand_over_in_a_circle_are_noticed() -> None:
    policy = RelayGen(Profile(name="", cues=("So,",)), min_tokens=0)
    trace = play(policy, ["So, a"] * 400, [" yes. b"] * 400).trace
    assert trace.finish_reason == "repetition"
    assert trace.usage.completion_tokens < 200


def test_the_guard_can_be_switched_off() -> None:
    trace = play(listed(REASON), ["so on " * 100], options=Options(repetition_guard=False)).trace
    assert trace.usage.completion_tokens == 604  # and the missing end of thinking


def test_a_prompt_that_repeats_itself_is_no_circle() -> None:
    played = play(listed(REASON), ["a" * 70 + "</think>"], prompt="a" * 900 + "<think>" + "a" * 100)
    assert played.trace.finish_reason == "stop"


@pytest.mark.parametrize("period", [1, 2, 7, 31, 32, 33, 127, 128])
def test_circles_are_blocks_that_come_four_times(period: int) -> None:
    block = list(range(period))
    enough = max(4 * period, 128)
    repeated = (block * 200)[-enough:]
    assert circles([500, 501, *repeated])
    assert not circles(repeated[1:])
    assert not circles([*repeated[:-1], 999])


def test_no_circle_in_text_that_goes_on() -> None:
    assert not circles(list(range(600)))
    assert not circles([1, 2] * 60 + [3] + [1, 2] * 60)


@pytest.mark.parametrize("count", [1, 3])
async def test_closing_the_stream_closes_the_engines_stream(count: int) -> None:
    engine = ScriptedEngine([Line("word " * 50, delay=1e-4)])
    relay = Relay(engine, ScriptedEngine([]), policy=listed(REASON))
    seen: list[Event] = []
    async with aclosing(relay.stream("Q")) as events:
        async for event in events:
            seen.append(event)
            if len(seen) == count:
                break
    assert all(isinstance(event, Written) for event in seen)
    assert (engine.running, engine.produced) == (0, count + 1)


async def test_what_was_written_by_then_can_be_seen() -> None:
    relay = pair(["abc"], policy=listed(REASON))
    prompt = relay.prompt("Q")
    generation = Generation(relay.policy, relay.engines, prompt.ids, relay.options)
    async with aclosing(generation.events()) as events:
        async for _ in events:
            assert generation.trace.text == "a"
            break
    trace = generation.trace
    assert (trace.text, trace.finish_reason) == ("a", "aborted")
    assert (trace.segments[0].ending, trace.usage.large_tokens) == (Ending.ABORTED, 1)
