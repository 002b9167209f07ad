"""Chat completions, as the openai SDK sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion
from tests.serve.pair import Served, answer, thought
from tests.serve.process import PLACES

Q = "What is 6 * 7?"


@pytest.fixture(scope="module", params=PLACES)
def gateway(request: pytest.FixtureRequest) -> Iterator[Served]:
    with PLACES[request.param]() as served:
        yield served


def ask(client: openai.OpenAI, content: Any = Q, *, model: str = "relay", **fields: Any) -> ChatCompletion:
    """One question; `fields` go into the body as they are."""
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}], extra_body=fields
    )


def relay_of(reply: ChatCompletion) -> dict[str, Any]:
    assert reply.usage
    assert reply.usage.model_extra
    block = reply.usage.model_extra["relay"]
    assert isinstance(block, dict)
    return block


def test_reasoning_and_answer_come_apart_and_complete(client: openai.OpenAI) -> None:
    message = ask(client).choices[0].message
    assert message.content == answer(Q)
    assert message.model_extra
    assert message.model_extra["reasoning_content"] == message.model_extra["reasoning"] == thought(Q)


def test_usage_tells_who_wrote_what(client: openai.OpenAI) -> None:
    reply = ask(client)
    relay = relay_of(reply)
    assert reply.usage
    assert relay["large_tokens"] + relay["small_tokens"] == reply.usage.completion_tokens
    assert 0 < relay["large_share"] < 1
    assert relay["switches"] == relay["segments"] - 1 > 1
    assert relay["degraded"] is False
    assert relay["policy"] == "relaygen"


def test_headers_tell_the_request_and_the_counts(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="relay", messages=[{"role": "user", "content": Q}], extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["x-relay-policy"] == "relaygen"
    assert raw.headers["x-relay-large-tokens"] == str(relay_of(raw.parse())["large_tokens"])
    assert raw.headers["x-relay-degraded"] == "false"


@pytest.mark.parametrize(
    ("model", "share"), [("large", 1.0), ("small", 0.0), ("relay:large", 1.0), ("relay:random(share=0.0)", 0.0)]
)
def test_a_model_name_is_a_policy(client: openai.OpenAI, model: str, share: float) -> None:
    reply = ask(client, model=model)
    assert reply.model == model
    assert relay_of(reply)["large_share"] == share
    assert reply.choices[0].message.content == answer(Q)


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert {"relay", "large", "small", "relay:relaygen", "relay:random"} <= set(listed)
    assert client.models.retrieve("relay:random(share=0.5)").id == "relay:random(share=0.5)"


def test_n_gives_parallel_choices_and_counts_the_prompt_once(client: openai.OpenAI) -> None:
    one, three = ask(client), ask(client, n=3)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert {choice.message.content for choice in three.choices} == {answer(Q)}
    assert one.usage
    assert three.usage
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens


@pytest.mark.parametrize("stop", ["is 42", ["nowhere", "is 42"]])
def test_stop_texts_end_the_answer_and_are_not_in_it(client: openai.OpenAI, stop: str | list[str]) -> None:
    choice = ask(client, stop=stop).choices[0]
    assert choice.message.content == answer(Q).partition("is 42")[0]
    assert choice.finish_reason == "stop"
    assert choice.model_extra
    assert choice.model_extra["stop_reason"] == "is 42"


def test_max_completion_tokens_wins_over_max_tokens(client: openai.OpenAI) -> None:
    reply = ask(client, max_tokens=900, max_completion_tokens=12)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage
    assert reply.usage.completion_tokens == 12
    assert reply.choices[0].message.content == ""


@pytest.mark.parametrize("fields", [{"chat_template_kwargs": {"enable_thinking": False}}, {"reasoning_effort": "none"}])
def test_thinking_can_be_switched_off(client: openai.OpenAI, fields: dict[str, Any]) -> None:
    message = ask(client, **fields).choices[0].message
    assert message.content == answer(Q)
    assert message.model_extra
    assert message.model_extra["reasoning_content"] is None


def test_the_seed_is_told_and_every_choice_has_its_own(client: openai.OpenAI) -> None:
    assert relay_of(ask(client, seed=7))["seed"] == 7
    assert relay_of(ask(client, seed=-1))["seed"] == (1 << 63) - 1
    assert relay_of(ask(client))["seed"] != relay_of(ask(client))["seed"]


def test_text_parts_are_read(client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": Q}]
    assert ask(client, parts).choices[0].message.content == answer(Q)


def test_logprobs_cover_every_token(client: openai.OpenAI) -> None:
    reply = ask(client, logprobs=True, top_logprobs=2)
    logprobs = reply.choices[0].logprobs
    assert logprobs
    assert logprobs.content
    assert reply.usage
    assert len(logprobs.content) == reply.usage.completion_tokens
    assert b"".join(bytes(entry.bytes or ()) for entry in logprobs.content).decode() == (
        f"{thought(Q)}</think>{answer(Q)}"
    )
    first = logprobs.content[0]
    assert first.logprob == pytest.approx(math.log(0.95))
    assert [top.logprob for top in first.top_logprobs] == pytest.approx([math.log(0.95), math.log(0.05)])


def test_fields_that_nobody_knows_are_tolerated(client: openai.OpenAI) -> None:
    reply = ask(
        client, ignore_eos=True, continuous_usage_stats=True, user="me", presence_penalty=0, response_format=None
    )
    assert reply.choices[0].message.content == answer(Q)


TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def test_tools_go_whole_to_the_large_model_and_are_marked(client: openai.OpenAI) -> None:
    relay = relay_of(ask(client, tools=[TOOL]))
    assert (relay["whole"], relay["large_share"], relay["policy"]) == ("tools", 1.0, "large")
    assert relay_of(ask(client, tools=[TOOL], tool_choice="none"))["whole"] is None


def test_a_call_of_a_tool_comes_as_one(client: openai.OpenAI) -> None:
    call = '<tool_call> {"name": "add", "arguments": {"a": 1}} </tool_call>'
    choice = ask(client, call, tools=[TOOL]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "\n\nThe answer to '' is 42 🙂."
    assert choice.message.tool_calls
    function = choice.message.tool_calls[0]
    assert function.type == "function"
    assert (function.function.name, function.function.arguments) == ("add", '{"a": 1}')
