"""Calls of the ONNX engine: how they stop, fail, wait and share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint
from tests.engines.doubles import OTHER, PROMPT, Gate, Probe, written

from relaygen.engines import EngineSettings, Params
from relaygen.engines.onnx import OnnxEngine
from relaygen.errors import EngineError
from relaygen.types import Token

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine(nano_small: Path) -> AsyncIterator[OnnxEngine]:
    engine = OnnxEngine(nano_small, EngineSettings(context=256))
    yield engine
    await engine.aclose()


async def test_overlapping_streams_do_not_disturb_each_other(engine: OnnxEngine) -> None:
    prompts = [PROMPT, OTHER, PROMPT[5:], OTHER[7:], PROMPT + OTHER]
    alone = [await written(engine, prompt) for prompt in prompts]
    together = await asyncio.gather(*(written(engine, prompt) for prompt in prompts))
    assert [[t.id for t in tokens] for tokens in together] == [[t.id for t in tokens] for tokens in alone]


async def test_tokens_come_while_the_generation_goes_on(engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaygen.engines.onnx.work.FLUSH_SECONDS", 0.0)
    gate = Gate()
    probe = Probe()
    probe.then = lambda: gate.wait() if len(probe.seen) == 2 else None
    async with aclosing(engine.stream(PROMPT, Params(max_tokens=5), probe)) as stream:
        first = await anext(stream)
        await gate.reached.wait()
        gate.open()
        assert [first, *[token async for token in stream]] == probe.seen


async def test_cancelling_stops_the_work_and_frees_the_sequence(engine: OnnxEngine) -> None:
    gate = Gate()
    probe = Probe(then=gate.wait)
    task = asyncio.create_task(written(engine, PROMPT, probe))
    await gate.reached.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(gate.open)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(probe.seen) == engine.forwards == 1
    both = await asyncio.gather(written(engine, PROMPT), written(engine, OTHER))
    assert list(map(len, both)) == [20, 20]


async def test_closing_the_iterator_stops_the_work(engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaygen.engines.onnx.work.FLUSH_SECONDS", 0.0)
    probe = Probe()
    gate = Gate()
    probe.then = lambda: gate.wait() if len(probe.seen) == 2 else None
    stream = engine.stream(PROMPT, Params(max_tokens=200), probe)
    await anext(stream)
    await gate.reached.wait()
    closing = asyncio.create_task(stream.aclose())
    await checkpoint()  # lets the closing ask for the stop
    gate.open()
    await closing
    forwards = engine.forwards
    assert len(probe.seen) == 2
    assert len(await written(engine, PROMPT, max_tokens=1)) == 1
    assert engine.forwards == forwards + 1


async def test_calls_beyond_the_sequences_wait(nano_small: Path) -> None:
    engine = OnnxEngine(nano_small, EngineSettings(sequences=1, context=256))
    gate = Gate()
    first = asyncio.create_task(written(engine, PROMPT, Probe(then=gate.wait)))
    await gate.reached.wait()
    second = asyncio.create_task(written(engine, OTHER))
    await checkpoint()
    assert engine.forwards == 1
    gate.open()
    assert list(map(len, await asyncio.gather(first, second))) == [20, 20]
    await engine.aclose()


async def test_closing_the_engine_ends_what_runs_with_an_error(nano_small: Path) -> None:
    engine = OnnxEngine(nano_small, EngineSettings(sequences=1, context=256))
    gate = Gate()
    probe = Probe(then=gate.wait)
    running = asyncio.create_task(written(engine, PROMPT, probe))
    await gate.reached.wait()
    waiting = asyncio.create_task(written(engine, OTHER))
    await checkpoint()
    closing = asyncio.create_task(engine.aclose())
    await checkpoint()
    gate.open()
    await closing
    for task in (running, waiting):
        with pytest.raises(EngineError, match="was closed"):
            await task
    assert len(probe.seen) == 1
    with pytest.raises(EngineError, match="was closed"):
        await written(engine, PROMPT)


async def test_a_failure_in_the_worker_is_an_engine_error_with_its_cause(engine: OnnxEngine) -> None:
    def fail() -> None:
        raise ValueError("the matcher broke")

    with pytest.raises(EngineError, match="the matcher broke") as caught:
        await written(engine, PROMPT, Probe(then=fail))
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(await written(engine, PROMPT)) == 20


async def test_an_id_that_the_model_does_not_have_is_an_engine_error(engine: OnnxEngine) -> None:
    with pytest.raises(EngineError, match="failed"):
        await written(engine, [*PROMPT, 10**6])
    assert len(await written(engine, PROMPT)) == 20


def test_an_engine_serves_one_event_loop_after_another(nano_small: Path) -> None:
    engine = OnnxEngine(nano_small, EngineSettings(sequences=1, context=256))

    async def crowd() -> list[list[Token]]:
        return await asyncio.gather(*(written(engine, prompt) for prompt in (PROMPT, OTHER, PROMPT)))

    assert asyncio.run(crowd()) == asyncio.run(crowd())
    asyncio.run(engine.aclose())
