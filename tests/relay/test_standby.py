"""The model that does not write reads along: what it is given, and that nothing but time depends on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from tests.engines.openai.fakes import EXACT, FakeServer, engine_on
from tests.pairs import bpe

from relaygen.engines import Engine, Params
from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import EngineError
from relaygen.policies import Policy
from relaygen.policies.relaygen import RelayGen
from relaygen.policies.single import Single
from relaygen.profile import Profile
from relaygen.relay import Generation, Options
from relaygen.tokenizer import Tokenizer
from relaygen.types import GREEDY, LARGE, SMALL, Finished, Token, Trace
from relaygen.until import Matcher

pytestmark = pytest.mark.anyio
POLICY = RelayGen(Profile(name="test", cues=("Thus,",)), min_tokens=0)
PROMPT = "Q: what? A: <think>\n"
LARGES = ["First this and that. Thus,", " But no, look at it again. Thus,", " done.</think>"]
SMALLS = [" it follows that x is y.", " it is z.", "42"]
WARM = Options(sampling=GREEDY, standby="warm")
COLD = replace(WARM, standby="cold")


class Reader(ScriptedEngine):
    """Reads along every 4 tokens. With `held`, reading never ends; with `fails`, it fails. `log` has what happened."""

    stride = 4

    def __init__(self, script: Sequence[str], *, held: bool = False, fails: bool = False, **more: Any) -> None:
        super().__init__(script, **more)
        self.held, self.fails = held, fails
        self.log: list[str] = []
        self.sessions: set[str] = set()

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        self.log.append("stream")
        self.sessions.add(params.session)
        async with aclosing(super().stream(prompt, params, until)) as tokens:
            async for token in tokens:
                yield token

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        self.log.append("warm")
        self.sessions.add(session)
        if self.fails:
            raise EngineError("no")
        try:
            if self.held:
                await asyncio.get_running_loop().create_future()
            await super().warm(prompt)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise


def generation(large: Engine, small: Engine, options: Options = WARM, policy: Policy = POLICY) -> Generation:
    engines = {LARGE: large, SMALL: small}
    prompts = {role: engine.tokenizer.encode(PROMPT) for role, engine in engines.items()}
    return Generation(policy, engines, prompts, options)


async def finished(made: Generation) -> Trace:
    events = [event async for event in made.events()]
    assert isinstance(events[-1], Finished)
    return events[-1].trace


def tasks() -> int:
    return len(asyncio.all_tasks())


async def test_the_other_model_reads_along_and_what_it_reads_is_what_it_then_continues() -> None:
    large, small = Reader(LARGES), Reader(SMALLS)
    trace = await finished(generation(large, small))
    assert trace.text == "".join(a + b for a, b in zip(LARGES, SMALLS, strict=True))
    for engine in (large, small):
        assert engine.warmed
        prompts = engine.calls
        for ids in engine.warmed:
            assert any(prompt[: len(ids)] == ids for prompt in prompts)
        grown = [len(ids) for ids in engine.warmed]
        assert all(b - a >= 4 for a, b in pairwise(grown))
    assert small.log[0] == "warm"  # the prompt, before its first turn
    assert len(large.sessions) == 1


async def test_nothing_is_read_twice() -> None:
    large, small = Reader(LARGES), Reader(SMALLS)
    trace = await finished(generation(large, small))
    written = {LARGE: 0, SMALL: 0}
    for segment in trace.segments:
        written[segment.role] += len(segment.tokens)
    most = (len(PROMPT) + written[LARGE]) // 4  # small reads what large wrote, in pieces of at least 4
    assert len(small.warmed) <= most
    assert len(large.warmed) <= written[SMALL] // 4


@pytest.mark.parametrize(
    ("options", "policy", "engine"),
    [
        (COLD, POLICY, Reader),
        (replace(WARM, standby="auto"), POLICY, ScriptedEngine),  # which has no opinion
        (WARM, Single(LARGE), Reader),
    ],
)
async def test_nobody_reads_along_where_that_is_not_wanted(
    options: Options, policy: Policy, engine: type[ScriptedEngine]
) -> None:
    large, small = engine(LARGES), engine(SMALLS)
    await finished(generation(large, small, options, policy))
    assert not large.warmed
    assert not small.warmed


async def test_auto_asks_the_engine() -> None:
    small = Reader(SMALLS)
    await finished(generation(ScriptedEngine(LARGES), small, replace(WARM, standby="auto")))
    assert small.warmed


async def test_one_engine_for_both_roles_has_read_everything() -> None:
    engine = Reader([part for both in zip(LARGES, SMALLS, strict=True) for part in both])
    await finished(generation(engine, engine))
    assert not engine.warmed


async def test_the_models_own_call_goes_first_and_nothing_is_left_running() -> None:
    large, small = Reader(LARGES, held=True), Reader(SMALLS, held=True)
    before = tasks()
    trace = await finished(generation(large, small))
    assert trace.text == "".join(a + b for a, b in zip(LARGES, SMALLS, strict=True))
    for engine in (large, small):
        assert "cancelled" in engine.log
        assert ("warm", "stream") not in pairwise(engine.log)
    assert tasks() == before


@pytest.mark.parametrize("count", [1, 30])
async def test_a_reader_that_leaves_leaves_nothing_running(count: int) -> None:
    large, small = Reader(LARGES, held=True), Reader(SMALLS, held=True)
    before = tasks()
    async with aclosing(generation(large, small).events()) as events:
        for _ in range(count):
            await anext(events)
    assert tasks() == before


async def test_cancelling_leaves_nothing_running() -> None:
    small = Reader(SMALLS, held=True)
    stuck = generation(Stuck(["x"]), small)
    before = tasks()
    running = asyncio.create_task(finished(stuck))
    while not small.log:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert small.log == ["warm", "cancelled"]
    assert tasks() == before


class Stuck(ScriptedEngine):
    """Never writes a token."""

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        await asyncio.get_running_loop().create_future()
        yield Token(0)  # pragma: no cover


async def test_a_failure_is_counted_and_told_to_nobody_but_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "relaygen")
    small = Reader(SMALLS, fails=True, name="tiny")
    made = generation(Reader(LARGES), small)
    trace = await finished(made)
    assert not trace.degraded
    assert small.log.count("warm") == made._standby.failures == 1  # it is not asked again
    assert caplog.messages == ["The small model (tiny) does not read along: no"]


@pytest.mark.parametrize("size", [300, 320])
async def test_with_two_vocabularies_whole_words_are_read(size: int) -> None:
    other: Tokenizer = bpe(size)
    large, small = Reader(LARGES), Reader(SMALLS, tokenizer=other)
    warm = await finished(generation(large, small))
    cold = await finished(generation(Reader(LARGES), Reader(SMALLS, tokenizer=other), COLD))
    assert (warm.text, warm.tokens) == (cold.text, cold.tokens)
    for engine in (large, small):
        assert engine.warmed
        for ids in engine.warmed:  # this vocabulary merges across words, so that the newest tokens may differ
            sure = ids[: len(ids) - 4]
            assert any(call[: len(sure)] == sure for call in engine.calls)


async def test_a_full_context_is_not_exceeded() -> None:
    small = Reader(SMALLS, context=len(PROMPT) + 10)
    await finished(generation(Reader(LARGES), small))
    assert all(len(ids) < small.context for ids in small.warmed)


LONG = "look at this and that and one thing more, " * 2
THOUGHT = f"First {LONG}all of it. Thus, {LONG}it is. But see, {LONG}once more. Thus, so it is."


@pytest.mark.parametrize("dialect", EXACT)
async def test_servers_that_read_along_find_the_others_tokens_in_their_caches(dialect: str) -> None:
    """As the servers count them: tokens of the prompts of all turns that were not in the cache."""
    fresh: dict[str, list[int]] = {}
    traces: list[Trace] = []
    for mode in (WARM, COLD):
        servers = [FakeServer(dialect, THOUGHT + "</think> 42", prompt=PROMPT, memory=[]) for _ in range(2)]
        large, small = (engine_on(server) for server in servers)
        traces.append(await finished(generation(large, small, mode)))
        fresh[mode.standby] = [sum(length - found for length, found in server.hits) for server in servers]
    assert traces[0].tokens == traces[1].tokens
    assert traces[0].text == THOUGHT + "</think> 42"
    assert fresh["warm"][0] < fresh["cold"][0]
    assert fresh["warm"][1] < fresh["cold"][1] / 2


@pytest.mark.parametrize("dialect", EXACT)
async def test_a_server_is_read_to_once_it_has_shown_that_it_has_a_cache(dialect: str) -> None:
    auto = replace(WARM, standby="auto")
    for caches in (True, False):
        servers = [FakeServer(dialect, THOUGHT + "</think> 42", prompt=PROMPT, caches=caches) for _ in range(2)]
        large, small = (engine_on(server) for server in servers)
        await finished(generation(large, small, auto))
        assert (large.stride > 0) == caches
        if caches:
            for server in servers:
                server.memory = []
            await finished(generation(large, small, auto))
            assert any(not request.get("stream") for request in servers[1].requests)
        else:
            assert all(request.get("stream") for server in servers for request in server.requests)
