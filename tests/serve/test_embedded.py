"""The embedded pair behind the gateway, in the real process that a user starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion
from tests.serve.process import ROOT, Process, started

Q = "What is 17 + 25?"
MESSAGES: Any = [{"role": "user", "content": Q}]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "src/relaygen/nano/large/model.onnx").is_file(), reason="needs the embedded pair"),
]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    config = tmp_path_factory.mktemp("embedded") / "relay.toml"
    config.write_text("[engine]\nexact = true\nthreads = 1\n")  # what is in the caches must not change an answer
    with started(["-m", "relaygen", "serve", "--port", "0", "--config", str(config)]) as served:
        yield served


@pytest.fixture
def client(process: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key="-", max_retries=0, timeout=120) as made:
        yield made


def ask(client: openai.OpenAI, model: str = "relay", **fields: Any) -> ChatCompletion:
    settings: dict[str, Any] = {"max_tokens": 200, "seed": 1} | fields
    reply = client.chat.completions.create(model=model, messages=MESSAGES, **settings)
    assert isinstance(reply, ChatCompletion)
    return reply


def written(reply: ChatCompletion, index: int = 0) -> str:
    message = reply.choices[index].message
    assert message.model_extra
    return f"{message.model_extra['reasoning_content']}|{message.content}"


@pytest.mark.parametrize("model", ["relay", "large", "small"])
def test_a_seed_gives_the_same_answer_whole_and_as_a_stream(client: openai.OpenAI, model: str) -> None:
    whole = ask(client, model)
    chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=200, seed=1, stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert f"{reasoning}|{''.join(delta.content or '' for delta in deltas)}" == written(whole)


def test_both_models_write(client: openai.OpenAI) -> None:
    usage = ask(client, "relay:random(share=0.5)").usage
    assert usage
    assert usage.model_extra
    relay = usage.model_extra["relay"]
    assert relay["large_tokens"] > 0 < relay["small_tokens"]
    assert relay["large_tokens"] + relay["small_tokens"] + relay["inserted_tokens"] == usage.completion_tokens


def test_choices_differ_and_the_first_is_the_one_of_the_seed(client: openai.OpenAI) -> None:
    three = ask(client, n=3, temperature=1.5, top_p=1.0)
    one = ask(client, temperature=1.5, top_p=1.0)
    assert written(three) == written(one)
    assert len({written(three, i) for i in range(3)}) > 1


def test_greedy_choices_are_alike(client: openai.OpenAI) -> None:
    three = ask(client, n=3, temperature=0)
    assert len({written(three, i) for i in range(3)}) == 1


def test_a_stop_text_ends_the_answer(client: openai.OpenAI) -> None:
    whole = ask(client).choices[0].message.content
    assert whole
    middle = whole[len(whole) // 2 :][:3]
    assert ask(client, stop=middle).choices[0].message.content == whole.partition(middle)[0]


def test_log_probabilities_spell_the_completion(client: openai.OpenAI) -> None:
    logprobs = client.completions.create(model="large", prompt="17 + 25 =", max_tokens=8, seed=1, logprobs=2).choices[0]
    assert logprobs.logprobs
    assert logprobs.text == "".join(logprobs.logprobs.tokens or ())
    assert all(value <= 0 for value in logprobs.logprobs.token_logprobs or ())


def test_a_prompt_that_is_too_long_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="context"):
        client.chat.completions.create(model="relay", messages=[{"role": "user", "content": "17 + 25 " * 5000}])
