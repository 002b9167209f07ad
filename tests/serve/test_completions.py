"""Raw prompts: texts or token ids, continued as they stand."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from tests.serve.pair import RAW

THINKING = "user: Why?\nassistant: <think>\n"


def relay_of(reply: openai.types.Completion) -> dict[str, Any]:
    assert reply.usage
    assert reply.usage.model_extra
    block = reply.usage.model_extra["relay"]
    assert isinstance(block, dict)
    return block


@pytest.mark.parametrize("prompt", ["Once", [79, 110, 99, 101]])
def test_text_and_ids_mean_the_same(client: openai.OpenAI, prompt: str | list[int]) -> None:
    reply = client.completions.create(model="relay", prompt=prompt)
    assert reply.choices[0].text == RAW
    assert reply.usage
    assert reply.usage.prompt_tokens == 4


def test_a_prompt_without_reasoning_goes_whole_to_large_and_is_marked(client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(model="relay", prompt="Once")
    assert raw.headers["x-relay-whole"] == "no-reasoning-stage"
    assert relay_of(raw.parse())["large_share"] == 1


def test_a_prompt_that_opens_the_reasoning_is_relayed(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="relay", prompt=THINKING)
    assert reply.choices[0].text.startswith("Let me read")
    assert "</think>" in reply.choices[0].text
    assert 0 < relay_of(reply)["large_share"] < 1


def test_stop_works_at_once_in_a_raw_prompt(client: openai.OpenAI) -> None:
    assert client.completions.create(model="relay", prompt="Once", stop="\n").choices[0].text == " and so on."


def test_several_prompts_times_n(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="small", prompt=["a", "bcd"], n=2)
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert reply.usage
    assert reply.usage.prompt_tokens == 4


def test_logprobs_in_the_old_shape(client: openai.OpenAI) -> None:
    logprobs = client.completions.create(model="large", prompt="Once", logprobs=1, max_tokens=3).choices[0].logprobs
    assert logprobs
    assert logprobs.tokens == [" ", "a", "n"]
    assert logprobs.text_offset == [0, 1, 2]
    assert logprobs.top_logprobs
    assert [list(top) for top in logprobs.top_logprobs] == [[" "], ["a"], ["n"]]


@pytest.mark.parametrize("prompt", ["", [], [999999], [[]], [True]])
def test_prompts_that_are_none_are_refused(client: openai.OpenAI, prompt: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model="relay", prompt=prompt)
