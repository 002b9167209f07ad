"""What can't be done is a clear error in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from tests.serve.pair import ADDRESS, BrokenEngine, answer, live, make_relay

from relaygen.serve import ServeSettings

GOOD: dict[str, Any] = {"model": "relay", "messages": [{"role": "user", "content": "Hi"}]}


def error(response: httpx2.Response, status: int) -> dict[str, Any]:
    """The error of a response, its shape checked."""
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"]
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert isinstance(body["error"]["message"], str)
    found = body["error"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", {"type": "json_object"}),
        ("logit_bias", {"5": 1}),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("guided_regex", "a+"),
        ("tool_choice", "required"),
        ("temperature", -1),
        ("temperature", "hot"),
        ("top_p", 0),
        ("n", 0),
        ("n", 999),
        ("max_tokens", 0),
        ("max_tokens", 1 << 40),
        ("stop", ""),
        ("stop", ["a"] * 17),
        ("top_logprobs", 2),
        ("messages", []),
        ("chat_template_kwargs", {"enable_thinking": "yes"}),
        ("chat_template_kwargs", {"messages": []}),
    ],
)
def test_fields_that_cant_be_honoured_are_named(http: httpx2.Client, field: str, value: Any) -> None:
    found = error(http.post("/v1/chat/completions", json=GOOD | {field: value}), 400)
    assert found["type"] == "invalid_request_error"
    assert found["param"].startswith(field)


@pytest.mark.parametrize(
    "content", [[{"type": "image_url", "image_url": {"url": "data:"}}], None, 5, [{"type": "text"}]]
)
def test_content_that_is_not_text_is_refused(http: httpx2.Client, content: Any) -> None:
    messages = [{"role": "user", "content": content}]
    assert error(http.post("/v1/chat/completions", json=GOOD | {"messages": messages}), 400)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"model": "\\ud800"}', b"[" * 100_000])
def test_bodies_that_are_no_requests_are_refused(http: httpx2.Client, body: bytes) -> None:
    error(http.post("/v1/chat/completions", content=body), 400)


@pytest.mark.parametrize(
    "model", ["gpt-5", "relay:nothing", "relay:", "relay:random(share=9)", "relay:random(", "LARGE"]
)
def test_models_that_do_not_exist_are_not_found(http: httpx2.Client, model: str) -> None:
    found = error(http.post("/v1/chat/completions", json=GOOD | {"model": model}), 404)
    assert (found["code"], found["param"]) == ("model_not_found", "model")


def test_echo_is_refused(http: httpx2.Client) -> None:
    assert error(http.post("/v1/completions", json={"model": "large", "prompt": "a", "echo": True}), 400)


def test_addresses_and_methods_that_do_not_exist(http: httpx2.Client) -> None:
    error(http.get("/v1/nothing"), 404)
    error(http.get("/v1/chat/completions"), 405)


def test_a_prompt_that_is_too_long_is_told_so(http: httpx2.Client) -> None:
    messages = [{"role": "user", "content": "long " * 1000}]
    found = error(http.post("/v1/chat/completions", json=GOOD | {"messages": messages}), 400)
    assert found["code"] == "context_length_exceeded"


def test_a_failing_model_is_a_bad_gateway(http: httpx2.Client) -> None:
    messages = [{"role": "user", "content": "fail at once"}]
    found = error(http.post("/v1/chat/completions", json=GOOD | {"messages": messages}), 502)
    assert (found["code"], found["type"]) == ("engine_error", "server_error")


def test_one_failing_choice_fails_them_all(http: httpx2.Client) -> None:
    messages = [{"role": "user", "content": "fail later"}]
    error(http.post("/v1/chat/completions", json=GOOD | {"messages": messages, "n": 4}), 502)


def test_limits_of_size_and_count() -> None:
    settings = ServeSettings(max_body=200, max_messages=1, max_choices=2)
    with live(make_relay(), settings) as gateway, httpx2.Client(base_url=gateway.url) as http:
        two = GOOD | {"messages": GOOD["messages"] * 2}
        assert error(http.post("/v1/chat/completions", json=two), 400)["param"] == "messages"
        assert error(http.post("/v1/chat/completions", json=GOOD | {"n": 3}), 400)["param"] == "n"
        long = GOOD | {"user": "x" * 300}
        assert error(http.post("/v1/chat/completions", json=long), 413)["code"] == "request_too_large"
        pieces = iter([b'{"model": "', b"x" * 150, b"x" * 150])
        assert error(http.post("/v1/chat/completions", content=pieces), 413)


def test_the_sdk_raises_its_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="relay", messages=[])


def test_an_engine_that_is_gone_does_not_stop_the_gateway() -> None:
    with live(make_relay(large=BrokenEngine())) as gateway, httpx2.Client(base_url=gateway.url) as http:
        error(http.post("/v1/chat/completions", json=GOOD), 502)
        assert http.post("/v1/chat/completions", json=GOOD | {"model": "small"}).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_where_the_models_are_is_for_the_log_and_not_for_clients(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relaygen")
    with live(make_relay(large=BrokenEngine())) as gateway, httpx2.Client(base_url=gateway.url) as http:
        reply = http.post("/v1/chat/completions", json=GOOD | {"stream": stream})
    found = error(reply, 502)
    assert found["message"] == "The large model (broken) failed. The gateway's log says why."
    assert any(ADDRESS in record.__dict__["fields"].get("failure", "") for record in caplog.records)


def test_a_pair_that_may_go_on_with_one_model_says_that_it_did() -> None:
    with (
        live(make_relay(small=BrokenEngine(), on_small_failure="large")) as gateway,
        httpx2.Client(base_url=gateway.url) as http,
    ):
        reply = http.post("/v1/chat/completions", json=GOOD)
        assert reply.headers["x-relay-degraded"] == "true"
        assert reply.json()["choices"][0]["message"]["content"] == answer("Hi")
        assert reply.json()["usage"]["relay"]["degraded"] is True
        assert ADDRESS not in reply.text


@pytest.mark.parametrize(
    "fields",
    [
        {"stop_token_ids": [1]},
        {"chat_template": "{{ messages }}"},
        {"continue_final_message": True},
        {"prompt_logprobs": 1},
        {"allowed_token_ids": [1, 2]},
    ],
)
def test_what_vllm_knows_and_a_relay_cant_honour_is_refused(http: httpx2.Client, fields: dict[str, Any]) -> None:
    body = {"model": "relay", "messages": [{"role": "user", "content": "Hi"}], **fields}
    assert error(http.post("/v1/chat/completions", json=body), 400)["param"] == next(iter(fields))
