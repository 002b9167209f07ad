"""Streams, as the openai SDK sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import anyio
import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from tests.serve.pair import RAW, Served, answer, thought
from tests.serve.process import PLACES

Q = "What is 6 * 7?"


@pytest.fixture(scope="module", params=PLACES)
def gateway(request: pytest.FixtureRequest) -> Iterator[Served]:
    with PLACES[request.param]() as served:
        yield served


def stream(client: openai.OpenAI, question: str = Q, **fields: Any) -> list[ChatCompletionChunk]:
    messages: Any = [{"role": "user", "content": question}]
    return list(client.chat.completions.create(model="relay", messages=messages, stream=True, **fields))


def joined(chunks: Iterable[ChatCompletionChunk], name: str, index: int = 0) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(getattr(delta, name, None) or "" for delta in deltas)


def test_chunks_join_to_reasoning_and_answer(client: openai.OpenAI) -> None:
    chunks = stream(client)
    assert joined(chunks, "content") == answer(Q)
    assert joined(chunks, "reasoning_content") == joined(chunks, "reasoning") == thought(Q)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_last_when_asked_for_and_only_then(client: openai.OpenAI) -> None:
    assert all(chunk.usage is None for chunk in stream(client))
    *others, last = stream(client, stream_options={"include_usage": True})
    assert all(chunk.usage is None for chunk in others)
    assert last.choices == []
    assert last.usage
    assert last.usage.model_extra
    assert last.usage.model_extra["relay"]["switches"] > 1


def test_every_choice_of_n_is_complete(client: openai.OpenAI) -> None:
    chunks = stream(client, n=3)
    assert [joined(chunks, "content", i) for i in range(3)] == [answer(Q)] * 3


def test_a_stop_text_that_shares_a_token_loses_nothing(client: openai.OpenAI) -> None:
    chunks = stream(client, stop="answer")
    assert joined(chunks, "content") == "\n\nThe "


def test_include_relay_shows_who_writes_and_how_segments_end(client: openai.OpenAI) -> None:
    chunks = stream(client, extra_body={"stream_options": {"include_relay": True}})
    beside = [chunk.model_extra["relay"] for chunk in chunks if chunk.model_extra and "relay" in chunk.model_extra]
    segments = [block["segment"] for block in beside if "segment" in block]
    assert (segments[0]["role"], segments[0]["ending"], segments[0]["why"]) == ("large", "cue", "Thus")
    assert (segments[1]["role"], segments[1]["ending"]) == ("small", "sentence")
    assert segments[-1]["ending"] == "eos"
    assert all(segment["margin"]["mean"] == pytest.approx(0.9, abs=0.01) for segment in segments)
    assert {block["role"] for block in beside} == {"large", "small"}


def test_logprobs_come_with_the_chunks(client: openai.OpenAI) -> None:
    chunks = stream(client, logprobs=True)
    entries = [e for c in chunks for choice in c.choices if choice.logprobs for e in choice.logprobs.content or ()]
    assert b"".join(bytes(e.bytes or ()) for e in entries).decode() == f"{thought(Q)}</think>{answer(Q)}"


def test_a_failure_in_mid_stream_is_an_error_and_not_an_answer(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match=r"The large model \(scripted:large\) failed\."):
        stream(client, "fail later")


def test_a_failure_before_the_first_token_has_a_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match=r"The large model \(scripted:large\) failed\.") as caught:
        stream(client, "fail at once")
    assert caught.value.status_code == 502


def test_completions_stream_text(client: openai.OpenAI) -> None:
    chunks = list(client.completions.create(model="large", prompt="Once", stream=True, logprobs=0))
    assert "".join(chunk.choices[0].text for chunk in chunks) == RAW
    offsets = [o for c in chunks if c.choices[0].logprobs for o in c.choices[0].logprobs.text_offset or ()]
    assert offsets == list(range(len(RAW)))


@pytest.mark.anyio
async def test_many_streams_at_once_stay_apart(gateway: Served) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        texts: dict[int, str] = {}

        async def one(i: int) -> None:
            messages: Any = [{"role": "user", "content": f"Question {i}"}]
            chunks = await client.chat.completions.create(model="relay", messages=messages, stream=True)
            texts[i] = joined([chunk async for chunk in chunks], "content")

        async with anyio.create_task_group() as group:
            for i in range(40):
                group.start_soon(one, i)
    assert texts == {i: answer(f"Question {i}") for i in range(40)}
