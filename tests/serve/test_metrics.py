"""What Prometheus reads."""

from __future__ import annotations

import httpx2
import openai
from prometheus_client.parser import text_string_to_metric_families
from tests.serve.pair import live, make_relay

Q = "What is 6 * 7?"


def readings(url: str) -> dict[tuple[str, ...], float]:
    """Every sample but buckets, by its name and the values of its labels, which are sorted by the labels' names."""
    page = httpx2.get(f"{url}/metrics").text
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    return {(s.name, *s.labels.values()): s.value for s in samples if not s.name.endswith(("_bucket", "_created"))}


def test_a_generation_is_counted_once_and_in_full() -> None:
    with live(make_relay()) as gateway, openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="-") as client:
        reply = client.chat.completions.create(model="relay", messages=[{"role": "user", "content": Q}])
        client.chat.completions.create(model="large", messages=[{"role": "user", "content": Q}], stream=True).close()
        found = readings(gateway.url)
    assert reply.usage
    assert reply.usage.model_extra
    block = reply.usage.model_extra["relay"]
    assert found["relay:prompt_tokens_total", "relay"] == reply.usage.prompt_tokens
    assert found["relay:generation_tokens_total", "relay"] == reply.usage.completion_tokens
    assert found["relay:request_success_total", "stop", "relay"] == 1
    assert found["relay:switches_total", "relay"] == block["switches"]
    assert found["relay:cue_switches_total", "Thus"] == found["relay:cue_switches_total", "So"] == 1
    assert found["relay:segments_total", "eos", "small"] == 1
    assert found["relay:model_tokens_total", "small", "answer"] > 0
    assert found["relay:time_to_first_token_seconds_count", "relay"] == 1
    assert found["relay:inter_token_latency_seconds_count", "relay"] == reply.usage.completion_tokens - 1
    assert found["relay:e2e_request_latency_seconds_count", "relay"] == 1
    assert found[("relay:num_requests_running",)] in (0, 1)  # the stream that was closed may not be over yet
    assert found[("relay:num_requests_waiting",)] == 0


def test_failures_and_rejections_are_counted() -> None:
    with live(make_relay()) as gateway:
        for question, model in (("fail later", "relay"), (Q, "gpt-5")):
            body = {"model": model, "messages": [{"role": "user", "content": question}]}
            httpx2.post(f"{gateway.url}/v1/chat/completions", json=body)
        found = readings(gateway.url)
    assert found["relay:engine_failures_total", "relay"] == found["relay:request_aborted_total", "relay"] == 1
    assert found["relay:request_errors_total", "model_not_found"] == 1
