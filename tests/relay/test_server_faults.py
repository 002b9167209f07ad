"""Whole generations on two servers, one of which fails: every kind of fault at every place.

Afterwards there is the right completion, or a clear error with what was written by then; nothing twice, nothing lost,
nobody waits longer than the time-outs allow. Time is not real here (see tests/clock.py).
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import BACKEND
from tests.engines.openai.fakes import EXACT, KEY, TOKENIZER, FakeServer, Fault, engine_on

from relaygen.engines.openai import ServerEngine
from relaygen.errors import EngineError
from relaygen.policies.relaygen import RelayGen
from relaygen.profile import Profile
from relaygen.relay import Generation, Options
from relaygen.types import GREEDY, SMALL, Finished, Role, Trace, Written

POLICY = RelayGen(Profile(name="test", cues=("So,",)), min_tokens=0)
PROMPT = "Q: what? A: <think>\n"
TEXT = "A 😀. So, ü. B? So,</think> 4"
PLAIN = Options(sampling=GREEDY, standby="cold")
STAND_INS = replace(PLAIN, on_small_failure="large", on_large_failure="small")
ANYWHERE = ["cut", "end", "garbage", "nonsense", "error", "abort", "stall"]
AT_ONCE = [
    Fault("refused"),
    Fault("late"),
    Fault("status", status=429, headers=(("retry-after", "2"),)),
    Fault("status", status=500),
    Fault("status", status=503),
]
BREAKS = [(d, k) for d in EXACT for k in ANYWHERE if (d, k) != ("llama-server", "abort")]  # which it has no event for
FOR_GOOD = [Fault("status", status=404), Fault("echo")]  # what no second attempt mends
LIMITS: dict[str, Any] = {
    "first_token_seconds": 30.0,
    "token_seconds": 10.0,
    "pause_seconds": 0.25,
    "headers": {"X-Tenant": KEY},
}
LONGEST = 3 * (30.0 + 10.0) + 30.0  # three attempts, and what a server may ask us to wait


class Outcome(NamedTuple):
    """What came of a generation. `shown` is the text of its events, `seconds` of the loop's time."""

    trace: Trace
    shown: str
    error: EngineError | None
    seconds: float
    left: int
    """Tasks that are still running."""


@dataclass
class Setting:
    """Two models, each behind as many servers as there are lists of faults."""

    dialect: str
    faults: dict[Role, list[list[Fault | None]]]
    options: Options = PLAIN
    group: int = 1

    def servers(self, role: Role) -> list[FakeServer]:
        return [
            FakeServer(self.dialect, TEXT, prompt=PROMPT, faults=list(faults), group=self.group)
            for faults in self.faults.get(role, [[]])
        ]

    def engines(self) -> dict[Role, ServerEngine]:
        return {role: engine_on(*self.servers(role), **LIMITS) for role in Role}

    def run(self) -> Outcome:
        return anyio.run(outcome, self.engines(), self.options, backend=BACKEND[0], backend_options=BACKEND[1])

    async def twice(self) -> tuple[Outcome, Outcome]:
        engines = self.engines()
        return await outcome(engines, self.options), await outcome(engines, self.options)


async def outcome(engines: dict[Role, ServerEngine], options: Options) -> Outcome:
    prompt = TOKENIZER.encode(PROMPT)
    generation = Generation(POLICY, engines, dict.fromkeys(engines, prompt), options)
    began, before = anyio.current_time(), len(asyncio.all_tasks())
    shown, trace, failure = [], None, None
    try:
        async for event in generation.events():
            shown.append(event.text if isinstance(event, Written) else "")
            trace = event.trace if isinstance(event, Finished) else None
    except EngineError as error:
        failure, trace = error, error.trace
    assert trace
    seconds = anyio.current_time() - began
    await anyio.wait_all_tasks_blocked()  # the event loop closes the stub's own generators
    return Outcome(trace, "".join(shown), failure, seconds, len(asyncio.all_tasks()) - before)


@cache
def events(dialect: str) -> dict[Role, list[int]]:
    """How many events each request of a good generation takes, by model."""
    engines, servers = {}, {}
    for role in Role:
        servers[role] = FakeServer(dialect, TEXT, prompt=PROMPT)
        engines[role] = engine_on(servers[role])
    assert anyio.run(outcome, engines, PLAIN).trace.text == TEXT
    return {role: server.sent for role, server in servers.items()}


def places(dialect: str) -> Iterator[tuple[Role, int, int]]:
    """Model, request, event."""
    for role, counts in events(dialect).items():
        for request, count in enumerate(counts):
            yield from ((role, request, event) for event in range(count))


def check(found: Outcome) -> None:
    """What holds whatever happened."""
    trace = found.trace
    assert found.left == 0
    assert KEY not in repr(trace)
    assert found.seconds <= LONGEST
    assert trace.text.removesuffix("\N{REPLACEMENT CHARACTER}") == found.shown.removesuffix("\N{REPLACEMENT CHARACTER}")
    assert trace.usage.completion_tokens == len(trace.tokens)
    if found.error:
        assert trace.finish_reason == "error"
        assert TEXT.startswith(found.shown)
        assert KEY not in "".join(traceback.format_exception(found.error))
        assert str(found.error).startswith(("The large model (fake-model) failed: ", "The small model (fake-model) f"))
    else:
        assert trace.text == TEXT


def one(role: Role, fault: Fault, request: int, *more: Fault) -> dict[Role, list[list[Fault | None]]]:
    return {role: [[*[None] * request, fault, *more]]}


@pytest.mark.parametrize(("dialect", "kind"), BREAKS)
def test_a_stream_that_breaks_anywhere(dialect: str, kind: str) -> None:
    """With one server for each model, alone or with the other model as a stand-in."""
    for i, (role, request, event) in enumerate(places(dialect)):
        faults = one(role, Fault(kind, event), request)
        found = Setting(dialect, faults, PLAIN if i % 2 else STAND_INS).run()
        check(found)
        if event == 0 or not i % 2:
            assert found.error is None
        if found.error:
            assert str(found.error).startswith(f"The {role} model")


@pytest.mark.parametrize(("dialect", "kind"), BREAKS)
def test_another_replica_goes_on_wherever_a_stream_breaks(dialect: str, kind: str) -> None:
    for role, request, event in list(places(dialect))[ANYWHERE.index(kind) % 3 :: 3]:
        faults = {role: [one(role, Fault(kind, event), request)[role][0]] * 2}
        # Both fail once, at the same place of what they are asked; what is left has a third.
        found = Setting(dialect, faults | {role: [*faults[role], []]}).run()
        check(found)
        assert found.error is None
        assert not found.trace.degraded


@pytest.mark.parametrize("fault", AT_ONCE, ids=lambda fault: f"{fault.kind}-{fault.status}")
@pytest.mark.parametrize("dialect", EXACT)
def test_a_request_that_fails_at_once_is_made_again(dialect: str, fault: Fault) -> None:
    for role, counts in events(dialect).items():
        for request in range(len(counts)):
            found = Setting(dialect, one(role, fault, request, fault)).run()
            check(found)
            assert found.error is None
            gone = Setting(dialect, one(role, fault, request, *[fault] * 9)).run()
            check(gone)
            assert gone.error


@pytest.mark.parametrize("fault", FOR_GOOD, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_what_no_attempt_mends_is_told_at_once(dialect: str, fault: Fault) -> None:
    for role, counts in events(dialect).items():
        for request in range(len(counts)):
            found = Setting(dialect, one(role, fault, request)).run()
            check(found)
            assert found.error
            assert found.seconds == 0


@pytest.mark.parametrize("dialect", EXACT)
def test_a_server_that_is_killed_and_started_again(dialect: str) -> None:
    """It breaks off, refuses a connection and is back: the generation goes on where nothing of the segment was there
    yet, and the next one is whole in any case."""
    for role, request, event in list(places(dialect))[::2]:
        setting = Setting(dialect, one(role, Fault("cut", event), request, Fault("refused")))
        first, second = anyio.run(setting.twice, backend=BACKEND[0], backend_options=BACKEND[1])
        check(first)
        assert first.error is None or event > 0
        check(second)
        assert second.error is None


@pytest.mark.parametrize("dialect", EXACT)
def test_no_log_holds_a_key(dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in (*AT_ONCE, *FOR_GOOD, *(Fault(kind, 1) for kind in ANYWHERE)):
        for options in (STAND_INS, replace(STAND_INS, standby="warm")):
            check(Setting(dialect, one(SMALL, fault, 0, *[fault] * 9), options).run())
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in "".join(map(repr, (record.__dict__ for record in caplog.records)))


KINDS = st.sampled_from([*(Fault(kind) for kind in ANYWHERE), *AT_ONCE, *FOR_GOOD])
FAULTS = st.lists(st.none() | st.builds(replace, KINDS, after=st.integers(0, 20)), max_size=4)


@given(
    st.sampled_from(EXACT),
    st.fixed_dictionaries({role: st.lists(FAULTS, min_size=1, max_size=3) for role in Role}),
    st.sampled_from([PLAIN, STAND_INS, replace(PLAIN, standby="warm")]),
    st.integers(1, 9),
)
def test_whatever_happens_nothing_is_lost_or_repeated(
    dialect: str, faults: dict[Role, list[list[Fault | None]]], options: Options, group: int
) -> None:
    check(Setting(dialect, faults, options, group).run())
