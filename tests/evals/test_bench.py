"""The load: closed loop, percentiles, a policy and an endpoint as targets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import httpx2
import pytest
from tests.evals.players import PROFILE, make_relay, make_samples

from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.evals.bench import EndpointTarget, Measured, RelayTarget, closed_loop, summarise
from relaygen.evals.bench.load import Loop
from relaygen.policies import create_policy
from relaygen.relay import Relay

pytestmark = pytest.mark.anyio


@dataclass
class Counter:
    """A target that counts how many callers it has at a time."""

    running: int = 0
    most: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def ask(self, prompt: str, number: int) -> Measured:
        self.asked.append((prompt, number))
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        self.running -= 1
        return Measured(seconds=1, tokens=5)


@pytest.mark.parametrize("concurrency", [1, 3, 20])
async def test_so_many_callers_and_every_prompt_once(concurrency: int) -> None:
    target, prompts = Counter(), [str(i) for i in range(10)]
    loop = await closed_loop(target, prompts, concurrency, first=100)
    assert target.most == min(concurrency, 10)
    assert sorted(target.asked) == [(str(i), 100 + i) for i in range(10)]
    assert len(loop.requests) == 10


def test_levels_are_percentiles_of_what_succeeded() -> None:
    good = [Measured(seconds=i / 100, first_token=i / 1000, tokens=11) for i in range(101)]
    level = summarise(Loop([*good, Measured(error="gone")], 2.0), 4)
    assert (level.requests, level.errors, level.tokens) == (102, 1, 1111)
    assert level.end_to_end == pytest.approx((0.5, 0.9, 0.99))
    assert level.first_token == pytest.approx((0.05, 0.09, 0.099))
    assert level.per_token == pytest.approx((0.045, 0.081, 0.0891))
    assert (level.tokens_per_second, level.requests_per_second) == (555.5, 50.5)


def test_nothing_that_succeeded_is_nothing_told() -> None:
    level = summarise(Loop([Measured(error="gone")], 1.0), 1)
    assert (level.errors, level.end_to_end, level.tokens_per_second) == (1, None, 0)
    assert Measured(seconds=1, first_token=0.5, tokens=1).per_token is None


async def test_a_policy_is_a_target() -> None:
    samples = make_samples(3)
    relay = make_relay(samples)
    target = RelayTarget(relay, create_policy("relaygen", PROFILE), relay.options)
    loop = await closed_loop(target, [sample.input for sample in samples], 2)
    assert all(m.tokens > 20 and m.first_token is not None and not m.error for m in loop.requests)


async def test_a_policy_that_fails_is_measured_as_failed() -> None:
    engine = ScriptedEngine(lambda prompt: Line("x", fail_after=0))
    relay = Relay(engine, engine, profile=PROFILE)
    measured = await RelayTarget(relay, create_policy("large", PROFILE), relay.options).ask("?", 0)
    assert "failed" in measured.error


def sse(*chunks: object) -> httpx2.Response:
    lines = [f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n" for chunk in chunks]
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content="".join(lines).encode())


def delta(**content: str) -> dict[str, object]:
    return {"choices": [{"delta": content}]}


USAGE = {"choices": [], "usage": {"completion_tokens": 7}}


async def ask(answer: Callable[[httpx2.Request], httpx2.Response]) -> Measured:
    transport = httpx2.MockTransport(answer)
    target = EndpointTarget("http://server/v1", "m", parameters={"seed": 3}, key="k", transport=transport)
    async with target:
        return await target.ask("Why?", 4)


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning"])
async def test_an_endpoint_is_asked_in_openais_words(name: str) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return sse(delta(role="assistant"), delta(**{name: "Because"}), USAGE, "[DONE]")

    measured = await ask(answer)
    assert (measured.tokens, measured.error) == (7, "")
    assert measured.first_token is not None
    assert measured.first_token <= measured.seconds
    body = json.loads(seen[0].content)
    assert str(seen[0].url) == "http://server/v1/chat/completions"
    assert seen[0].headers["authorization"] == "Bearer k"
    assert (body["model"], body["stream"], body["seed"]) == ("m", True, 7)
    assert body["messages"] == [{"role": "user", "content": "Why?"}]


def refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nobody there")


FAULTS: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {
    "status 503: busy": lambda request: httpx2.Response(503, text="busy"),
    "nobody there": refuse,
    "text/event-stream": lambda request: httpx2.Response(200, json={"choices": []}),
    "can't be read": lambda request: sse("{broken"),
    "reports no usage": lambda request: sse(delta(content="x"), "[DONE]"),
    "the server says": lambda request: sse({"error": {"message": "out of memory"}}),
}


@pytest.mark.parametrize("message", list(FAULTS))
async def test_what_an_endpoint_does_wrong_is_an_error(message: str) -> None:
    measured = await ask(FAULTS[message])
    assert message in measured.error
    assert measured.tokens == 0
