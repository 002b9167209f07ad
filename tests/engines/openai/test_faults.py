"""Every fault at every place: afterwards the right tokens or a clear error, nothing twice, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import BACKEND, Skipping
from tests.engines.openai.fakes import EXACT, OWNERS, PROMPT, TOKENIZER, FakeServer, Fault, engine_on
from tests.engines.openai.test_engine import PARAMS, shown, write

from relaygen.engines.base import Tally
from relaygen.engines.openai import ServerEngine
from relaygen.engines.openai.faults import ServerFault
from relaygen.errors import UsageError
from relaygen.until import cue, sentence_end

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type[Skipping]]]:
    return BACKEND


TEXT = "One, two, three."
BROKEN = ["cut", "end", "garbage", "error", "stall"]
QUICK: dict[str, Any] = {"first_token_seconds": 0.05, "token_seconds": 0.05}


async def until_it_fails(engine: ServerEngine) -> tuple[str, str]:
    """What was yielded, and the message of the failure."""
    ids = []
    try:
        async for token in engine.stream(TOKENIZER.encode(PROMPT), PARAMS):
            ids.append(token.id)
    except ServerFault as fault:
        return TOKENIZER.decode(ids), str(fault)
    return TOKENIZER.decode(ids), ""


@pytest.mark.parametrize("dialect", OWNERS)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_status_that_may_pass_is_tried_again(dialect: str, status: int) -> None:
    engine = engine_on(FakeServer(dialect, TEXT, faults=[Fault("status", status=status)] * 2))
    assert shown(engine, await write(engine)) == TEXT + "<|end|>"
    assert engine.counts.repeated == 2


async def test_a_refused_connection_is_tried_again() -> None:
    engine = engine_on(FakeServer("vllm", TEXT, faults=[Fault("refused")]))
    assert shown(engine, await write(engine)) == TEXT + "<|end|>"


async def test_after_the_last_attempt_the_fault_is_told() -> None:
    server = FakeServer("vllm", TEXT, faults=[Fault("status", status=503)] * 9)
    assert await until_it_fails(engine_on(server)) == (
        "",
        "http://a:1/v1 answered with status 503: out of luck sk-planted",
    )
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_request_that_is_wrong_is_not_repeated(status: int) -> None:
    server = FakeServer("vllm", TEXT, faults=[Fault("status", status=status)])
    _, message = await until_it_fails(engine_on(server))
    assert "out of luck" in message
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("dialect", OWNERS)
async def test_a_stream_that_breaks_before_the_first_token_is_tried_again(dialect: str, kind: str) -> None:
    engine = engine_on(FakeServer(dialect, TEXT, faults=[Fault(kind)]), **QUICK)
    assert shown(engine, await write(engine)) == TEXT + "<|end|>"


@pytest.mark.parametrize("after", [1, 7, 15])
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("dialect", OWNERS)
async def test_a_single_server_that_breaks_in_the_middle_fails(dialect: str, kind: str, after: int) -> None:
    engine = engine_on(FakeServer(dialect, TEXT, faults=[Fault(kind, after)]), **QUICK)
    text, message = await until_it_fails(engine)
    assert text == TEXT[:after]
    assert message.startswith("http://a:1/v1 ")


@pytest.mark.parametrize("after", [1, 7, 15])
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("dialect", EXACT)
async def test_another_replica_goes_on_where_the_first_broke(dialect: str, kind: str, after: int) -> None:
    broken = [Fault(kind, after)]
    servers = [FakeServer(dialect, TEXT, faults=list(broken)), FakeServer(dialect, TEXT, faults=list(broken))]
    # Whichever is asked first breaks; the other is whole then.
    first = engine_on(*servers, **QUICK)._replicas.choose("").client.url[7]
    servers["ab".index(first) - 1].faults.clear()
    engine = engine_on(*servers, **QUICK)
    assert shown(engine, await write(engine)) == TEXT + "<|end|>"
    assert [len(server.requests) for server in servers] == [1, 1]


KINDS = ["status", "refused", *BROKEN[:-1]]
FAULTS = st.lists(st.none() | st.builds(Fault, st.sampled_from(KINDS), st.integers(0, len(TEXT))), max_size=3)


@given(st.sampled_from(EXACT), st.lists(FAULTS, min_size=1, max_size=2))
def test_whatever_happens_the_text_is_right_as_far_as_it_goes(dialect: str, faults: list[list[Fault | None]]) -> None:
    engine = engine_on(*(FakeServer(dialect, TEXT, faults=list(some)) for some in faults))
    text, message = anyio.run(until_it_fails, engine)
    assert text == TEXT + "<|end|>" if not message else TEXT.startswith(text)
    if len(faults) == 2 and sum(fault is not None for some in faults for fault in some) < 2:
        assert not message  # the other server was there


async def test_the_wish_to_wait_is_heard() -> None:
    engine = engine_on(FakeServer("vllm", TEXT, faults=[Fault("status", status=429, headers=(("retry-after", "0"),))]))
    assert shown(engine, await write(engine)) == TEXT + "<|end|>"


async def test_the_whole_may_take_too_long() -> None:
    engine = engine_on(FakeServer("vllm", TEXT, faults=[Fault("stall", 3)]), total_seconds=0.05)
    assert await until_it_fails(engine) == (TEXT[:3], "http://a:1/v1 took longer than 0.05 s.")


async def test_time_outs_say_what_was_missing() -> None:
    engine = engine_on(FakeServer("vllm", TEXT, faults=[Fault("stall", 3)]), token_seconds=0.05)
    assert await until_it_fails(engine) == (TEXT[:3], "http://a:1/v1 sent no token for 0.05 s.")


async def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk-secret")
    server = FakeServer("vllm", TEXT, key="sk-secret")
    engine = engine_on(server, api_key_env="KEY")
    assert shown(engine, await write(engine)) == TEXT + "<|end|>"
    server.key = "another"
    _, message = await until_it_fails(engine)
    assert "refuses the API key" in message
    assert "sk-secret" not in message + repr(engine.settings)


async def test_headers_come_from_variables_and_are_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT", "t-77")
    server = FakeServer("vllm", TEXT)
    engine = engine_on(server, headers={"X-Tenant": "$TENANT"})
    await write(engine)
    assert server.headers[-1]["x-tenant"] == "t-77"
    assert "t-77" not in repr(engine.settings)


def test_a_header_without_its_variable_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="the variable MISSING, which is not set"):
        engine_on(FakeServer("vllm", TEXT), headers={"X-Tenant": "$MISSING"})


async def test_sglang_is_told_to_abort_before_the_connection_goes() -> None:
    server = FakeServer("sglang", "Five. Six. Seven.")
    engine = engine_on(server)
    stream = engine.stream(TOKENIZER.encode(PROMPT), PARAMS)
    await anext(stream)
    await stream.aclose()
    assert server.aborted == [server.requests[0]["rid"]]


async def test_sglang_is_not_told_to_abort_what_is_done() -> None:
    server = FakeServer("sglang", "Five.")
    await write(engine_on(server))
    assert server.aborted == []


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
@pytest.mark.parametrize("top", [False, True])
async def test_a_request_that_the_server_gives_up_is_tried_again(dialect: str, top: bool) -> None:
    engine = engine_on(FakeServer(dialect, TEXT, faults=[Fault("abort")]))
    assert shown(engine, await write(engine, replace(PARAMS, top=top))) == TEXT + "<|end|>"
    assert engine.counts.repeated == 1


@pytest.mark.parametrize("dialect", EXACT)
async def test_a_server_that_failed_is_asked_for_its_health_before_it_gets_work_again(dialect: str) -> None:
    servers = [FakeServer(dialect, TEXT), FakeServer(dialect, TEXT)]
    engine = engine_on(*servers)
    first = engine._replicas.choose("")
    own, other = sorted(servers, key=lambda server: server is not servers["ab".index(first.client.url[7])])
    own.faults.append(Fault("refused"))
    await write(engine)
    first.rests_until = 0.0  # its rest is over
    own.down = True
    await write(engine)
    assert (len(own.requests), len(other.requests)) == (1, 2)
    first.rests_until, own.down = 0.0, False
    await write(engine)
    await write(engine)
    assert (len(own.requests), len(other.requests)) == (3, 2)
    assert own.calls.count("/health") == 2


async def test_a_server_without_others_is_not_asked_for_its_health() -> None:
    server = FakeServer("vllm", TEXT, faults=[Fault("refused")])
    engine = engine_on(server)
    await write(engine)
    assert "/health" not in server.calls


@pytest.mark.parametrize("key", ["sk-\u00fc", "sk-a\nb"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_told(key: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(key, encoding="utf-8")
    with pytest.raises(UsageError, match="only printable ASCII") as caught:
        engine_on(FakeServer("vllm", TEXT), api_key_file=str(tmp_path / "key"))
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("dialect", EXACT)
@pytest.mark.parametrize("which", [0, 70, 399])
async def test_cues_beyond_the_servers_limit_end_a_segment_too(dialect: str, which: int) -> None:
    """The server stops at the first of them by itself; at the others it is stopped."""
    cues = tuple(f"word{i:03}," for i in range(400))
    server = FakeServer(dialect, f"Well, {cues[which]} and so on and on. " * 3, group=1)
    engine = engine_on(server)
    tally = Tally()
    written = await write(engine, replace(PARAMS, tally=tally), until=cue(cues))
    assert shown(engine, written) == f"Well, {cues[which]}"
    assert len(server.requests[0]["stop"]) <= engine.dialect.stop_limit + 1
    assert server.sent[0] <= len(written) + 1  # then the connection was closed
    assert engine.counts.overrun == tally.overrun == 0


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
async def test_what_came_past_the_end_is_in_the_calls_tally(dialect: str) -> None:
    engine = engine_on(FakeServer(dialect, "Five. Six. Seven.", group=8))
    tally = Tally()
    await write(engine, replace(PARAMS, tally=tally), until=sentence_end())
    assert tally.overrun == engine.counts.overrun == 2
