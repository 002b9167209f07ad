"""Whatever comes in: an answer or an error in OpenAI's shape, and the gateway lives on."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from tests.serve.pair import Live

WORDS = st.sampled_from(
    ["relay", "user", "text", "auto", "none", "a", "", "fail later", "\n", "🙂", "</think>", "{{x}}"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | WORDS, inner, max_size=4),
    max_leaves=8,
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool"])
PART = st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}) | JSON
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE = st.fixed_dictionaries(
    {"role": ROLES, "content": st.text() | st.lists(PART, max_size=3)},
    optional={"tool_calls": JSON | st.just([CALL]), "name": JSON, "tool_call_id": JSON},
)
OPTIONS = st.sampled_from(
    ["share", "seed", "max_segment", "answer", "name", "min_tokens", "profile", "verify", "x", "role", "max_step"]
)
SPEC = st.builds(
    "{}({}={})".format,
    st.sampled_from(["relaygen", "random", "large", "guarded", "specreason", "speculative-thinking", "entropy-first"]),
    OPTIONS,
    st.sampled_from(["0", "1", "-1", "0.5", "1e999", "'a'", "[1]", "None", "10**9", "True", "("]) | st.text(max_size=8),
)
MODELS = st.sampled_from(["relay", "large", "small", "relay:relaygen", "relay:random"]) | SPEC.map("relay:{}".format)
NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(1) | JSON
FIELDS = {
    "max_tokens": st.integers(1, 50) | NUMBER,
    "max_completion_tokens": st.integers(1, 50) | NUMBER,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_k": NUMBER,
    "min_p": NUMBER,
    "seed": NUMBER,
    "n": st.integers(1, 3) | NUMBER,
    "stop": st.text() | st.lists(st.text(), max_size=5) | JSON,
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans(), "include_relay": st.booleans()}) | JSON,
    "logprobs": st.booleans() | JSON,
    "top_logprobs": st.integers(0, 3) | JSON,
    "tools": JSON | st.just([{"type": "function", "function": {"name": "f"}}]),
    "tool_choice": WORDS | JSON,
    "response_format": JSON,
    "chat_template_kwargs": st.dictionaries(st.sampled_from(["thinking", "tools", "self", "bos_token"]), JSON) | JSON,
    "reasoning_effort": WORDS | JSON,
    "user": JSON,
}
BODIES = st.fixed_dictionaries(
    {"model": MODELS, "messages": st.lists(MESSAGE, min_size=1, max_size=3)}, optional=FIELDS
)


def check(response: httpx2.Response) -> None:
    """An answer, or an error in the right shape that blames the request."""
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
    if response.status_code != 200:
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(body=BODIES | JSON)
def test_any_chat_body_gets_an_answer_or_a_clear_error(http: httpx2.Client, body: Any) -> None:
    check(http.post("/v1/chat/completions", json=body))
    ready = http.get("/ready").json()
    assert (ready["status"], ready["running"], ready["waiting"]) == ("ready", 0, 0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(body=st.fixed_dictionaries({"model": MODELS, "prompt": JSON | st.lists(st.integers(0, 300))}, optional=FIELDS))
def test_any_completion_body_gets_an_answer_or_a_clear_error(http: httpx2.Client, body: Any) -> None:
    check(http.post("/v1/completions", json=body))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_any_bytes_get_a_clear_error(http: httpx2.Client, body: bytes) -> None:
    assert http.post("/v1/chat/completions", content=body).status_code == 400


@pytest.mark.slow
def test_the_described_interface_never_fails(gateway: Live) -> None:
    """Two thousand requests and more that schemathesis derives from /openapi.json."""
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    seen = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(
            max_examples=1200 if operation.method == "post" else 100,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def run(case: schemathesis.Case[Any]) -> None:
            nonlocal seen
            seen += 1
            assert case.call().status_code < 500

        run()
    assert seen >= 2000
