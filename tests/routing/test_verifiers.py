"""Verifiers on scripted models."""

from __future__ import annotations

import pytest

from relaygen.calibration.collect import Recorded
from relaygen.engines.scripted import ScriptedEngine
from relaygen.relay import Relay
from relaygen.routing.verifiers import verifier
from relaygen.types import Role

pytestmark = pytest.mark.anyio

THOUGHT = "Ones: 5. So it is 5.</think>"
ANSWER = "\\boxed{5}"


def trace(text: str = THOUGHT + ANSWER) -> Recorded:
    encode = ScriptedEngine([]).tokenizer.encode
    return Recorded(problem="p", prompt=tuple(encode("Q|")), tokens=tuple(encode(text)))


def position(text: str) -> int:
    """Where `text` begins in the trace; one token is one byte."""
    return (THOUGHT + ANSWER).index(text)


async def judged(name: str, large: ScriptedEngine, at: int, token: str) -> bool | None:
    relay = Relay(large, ScriptedEngine([], name="small"))
    [id] = large.tokenizer.encode(token)
    return await verifier(name, relay).diverges(trace(), at, id)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rest", "diverges"),
    [
        (". So it is 6.</think>\\boxed{6}", True),
        (". No, 5. So it is 5.</think>\\boxed{5}", False),
        (". So, on and on", True),
        (".</think>The answer is 5.", True),  # the same number, but not the same final line
    ],
)
async def test_another_final_answer_or_none_is_a_divergence(rest: str, diverges: bool) -> None:
    large = ScriptedEngine([rest])
    assert await judged("answer", large, position("5. So"), "6") is diverges
    assert large.tokenizer.decode(large.calls[0]) == "Q|Ones: 6"


async def test_an_end_of_the_sequence_needs_no_continuation() -> None:
    large = ScriptedEngine([])
    assert await judged("answer", large, position("So"), "<|end|>") is True
    assert await judged("answer", large, len(THOUGHT + ANSWER), "\n") is False
    assert len(large.calls) == 1


async def test_a_continuation_stays_within_the_budget() -> None:
    large = ScriptedEngine(["x" * 100])
    relay = Relay(large, ScriptedEngine([], name="small"))
    short = verifier("answer", Relay(large, relay.engines[Role.SMALL], options=relay.options.__class__(max_tokens=12)))
    assert await short.diverges(trace(), 4, 65) is True
    assert large.produced == 12 - 5


@pytest.mark.parametrize(("reply", "diverges"), [("1", True), (" 0.", False), ("I can't tell", None)])
async def test_large_judges_the_two_sentences(reply: str, diverges: bool | None) -> None:
    asked: list[str] = []

    def say(prompt: str) -> str:
        asked.append(prompt)
        return " carry one. And so on." if len(asked) == 1 else reply

    assert await judged("large", ScriptedEngine(say), position("5. So"), "6") is diverges
    assert asked[0] == "Q|Ones: 6"
    assert "First continuation:\n5.\n" in asked[1]
    assert "Second continuation:\n6 carry one.\n" in asked[1]
    assert asked[1].endswith("</think>\n\n"), "the judge does not reason"


async def test_an_end_of_the_sequence_is_judged_without_asking() -> None:
    large = ScriptedEngine([])
    assert await judged("large", large, position("So"), "<|end|>") is True
    assert large.calls == []
