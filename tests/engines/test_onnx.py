"""The ONNX engine: what it yields and scores, and where it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.engines.doubles import OTHER, PROMPT, Probe, written

from relaygen.engines import EngineSettings
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.errors import ContextError, UsageError
from relaygen.sampling import Logits
from relaygen.types import Sampling

pytestmark = pytest.mark.anyio

# Kernels for one row and for several round differently, and 8-bit activations amplify that.
CLOSE = 0.15


@pytest.fixture
async def engine(nano_small: Path) -> AsyncIterator[OnnxEngine]:
    engine = OnnxEngine(nano_small, EngineSettings(context=256))
    yield engine
    await engine.aclose()


async def test_it_yields_as_many_tokens_as_asked_for(engine: OnnxEngine) -> None:
    tokens = await written(engine, PROMPT, max_tokens=7)
    assert len(tokens) == 7
    assert all(token.logprob <= 0 and token.top == () for token in tokens)


async def test_greedy_takes_the_first_of_the_top_two(engine: OnnxEngine) -> None:
    tokens = await written(engine, PROMPT, top=True)
    assert all(token.top[0] == (token.id, token.logprob) for token in tokens)
    assert all(0 <= token.margin <= 1 for token in tokens)


async def test_it_stops_after_an_end_of_sequence(engine: OnnxEngine) -> None:
    free = await written(engine, PROMPT)
    probe = Probe()
    eos = free[4].id
    tokens = await written(engine, PROMPT, probe, eos=frozenset({eos}))
    first = [token.id for token in free].index(eos)
    assert tokens == free[: first + 1] == probe.seen


async def test_it_stops_after_the_token_at_which_until_fires(engine: OnnxEngine) -> None:
    probe = Probe(last=3)
    tokens = await written(engine, PROMPT, probe)
    assert len(tokens) == 3
    assert probe.seen == tokens


async def test_the_last_token_is_not_fed(engine: OnnxEngine) -> None:
    await written(engine, PROMPT, max_tokens=5)
    assert engine.forwards == 1 + 4


async def test_nothing_is_asked_for_and_nothing_happens(engine: OnnxEngine) -> None:
    assert await written(engine, PROMPT, max_tokens=0) == []
    assert engine.forwards == 0


async def test_the_same_call_gives_the_same_tokens_whatever_was_cached(engine: OnnxEngine) -> None:
    sampling = Sampling(temperature=1.0, seed=5)
    first = await written(engine, PROMPT, sampling=sampling)
    again = await written(engine, PROMPT, sampling=sampling)
    await written(engine, OTHER)
    await written(engine, PROMPT[:10] + OTHER)
    third = await written(engine, PROMPT, sampling=sampling)
    assert first == again == third
    assert first != await written(engine, PROMPT, sampling=Sampling(temperature=1.0, seed=6))


async def test_a_generation_in_two_calls_is_the_one_in_one(engine: OnnxEngine) -> None:
    whole = await written(engine, PROMPT, max_tokens=24)
    start = await written(engine, PROMPT, max_tokens=9)
    rest = await written(engine, PROMPT + [t.id for t in start], max_tokens=15, offset=9)
    assert [t.id for t in start + rest] == [t.id for t in whole]


async def test_the_offset_fixes_the_random_numbers(engine: OnnxEngine) -> None:
    sampling = Sampling(temperature=50.0, top_k=0, top_p=1.0)  # nearly uniform: the numbers alone decide
    at_0 = await written(engine, PROMPT, sampling=sampling, max_tokens=6)
    at_9 = await written(engine, PROMPT, sampling=sampling, max_tokens=6, offset=9)
    assert [t.id for t in at_0] != [t.id for t in at_9]


async def test_prompts_that_leave_no_room_are_refused_before_any_work(engine: OnnxEngine) -> None:
    with pytest.raises(ContextError, match=r"256 tokens .* context of .* 256"):
        await written(engine, [5] * 256)
    with pytest.raises(ContextError):
        await engine.warm([5] * 257)
    with pytest.raises(ContextError):
        await engine.score([5] * 257)
    with pytest.raises(UsageError, match="empty"):
        await written(engine, [])
    with pytest.raises(UsageError, match="temperature"):
        await written(engine, PROMPT, sampling=Sampling(temperature=-1))
    assert engine.forwards == 0


async def test_a_generation_ends_where_the_context_does(engine: OnnxEngine) -> None:
    assert len(await written(engine, [5] * 250, max_tokens=100)) == 6
    assert len(await written(engine, [5] * 255, max_tokens=100)) == 1


async def test_scoring_agrees_with_generating(engine: OnnxEngine) -> None:
    tokens = await written(engine, PROMPT, top=True)
    scored = await engine.score(PROMPT + [token.id for token in tokens], len(PROMPT))
    assert [s.id for s in scored] == [token.id for token in tokens]
    assert [s.logprob for s in scored] == pytest.approx([token.logprob for token in tokens], abs=CLOSE)
    assert [s.margin for s in scored] == pytest.approx([token.margin for token in tokens], abs=CLOSE)


@pytest.mark.parametrize("cached", [0, 10, 25, 30])
async def test_scores_do_not_depend_on_what_is_cached(engine: OnnxEngine, cached: int) -> None:
    if cached:
        await engine.warm(PROMPT[:cached])
    part = await engine.score(PROMPT, 20)
    everything = await engine.score(PROMPT)
    assert [s.id for s in part] == PROMPT[20:]
    assert [s.id for s in everything] == PROMPT[1:]
    assert [s.logprob for s in part] == pytest.approx([s.logprob for s in everything[19:]], abs=CLOSE)


async def test_scoring_past_the_end_gives_nothing(engine: OnnxEngine) -> None:
    assert await engine.score(PROMPT, len(PROMPT)) == []
    assert await engine.score(PROMPT[:1]) == []
    with pytest.raises(UsageError, match="position 1"):
        await engine.score(PROMPT, 0)


async def test_warming_spares_the_next_call_the_prompt(engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    feed = CachedSequence.feed

    def counted(sequence: CachedSequence, ids: Sequence[int]) -> Logits:
        fed.append(len(ids))
        return feed(sequence, ids)

    monkeypatch.setattr(CachedSequence, "feed", counted)
    await engine.warm(PROMPT)
    await written(engine, [*PROMPT, 7, 8, 9], max_tokens=1)
    assert fed == [len(PROMPT), 3]
