"""Prompts that are rendered already, and raw ones."""

from __future__ import annotations

import pytest

from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import UsageError
from relaygen.relay import Options, Relay
from relaygen.types import LARGE, SMALL


def make(large: str, small: str = "") -> Relay:
    return Relay(ScriptedEngine([large]), ScriptedEngine([small]), options=Options(max_tokens=100))


def test_a_rendered_conversation_is_what_messages_become() -> None:
    relay = make("Hm.</think>Yes.")
    prompt = relay.prompt("Why?")
    assert relay.generate(prompt, policy="large").prompt == tuple(prompt.ids[LARGE])
    assert make("Hm.</think>Yes.").generate("Why?", policy="large").prompt == tuple(prompt.ids[LARGE])


def test_text_and_its_ids_are_the_same_raw_prompt() -> None:
    relay = make("")
    assert relay.raw_prompt("Once") == relay.raw_prompt(list(b"Once"))
    assert relay.raw_prompt("Once").ids[SMALL] == list(b"Once")


def test_a_raw_prompt_thinks_only_when_it_says_so() -> None:
    relay = make("")
    assert relay.raw_prompt("Once").thinking is False
    assert relay.raw_prompt("Why? <think>").thinking is True
    assert relay.raw_prompt("Why? <think>Hm</think>").thinking is False


def test_a_raw_prompt_without_thinking_is_all_answer() -> None:
    relay = make("upon a time. The end.")
    trace = relay.generate(relay.raw_prompt("Once "), policy="large", options=Options(stop=("end",)))
    assert (trace.reasoning, trace.answer) == ("", "upon a time. The ")


@pytest.mark.parametrize("source", ["", [], [5, 1 << 20], [-1], "\ud800"])
def test_what_is_no_prompt_is_refused(source: str | list[int]) -> None:
    with pytest.raises(UsageError):
        make("").raw_prompt(source)
