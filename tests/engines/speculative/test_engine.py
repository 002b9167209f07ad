"""The speculative engine over two local models: what it yields, and what it does to their caches."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from tests.engines.doubles import OTHER, PROMPT, assert_cancelling_frees, assert_it_ends_where_it_should, written

from relaygen.engines.base import Engine, Tally
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.scripted import ScriptedEngine
from relaygen.engines.speculative import SpeculativeEngine
from relaygen.errors import EngineError, UsageError
from relaygen.types import GREEDY, Sampling, Token

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["small", "ngram"])
def pair(request: pytest.FixtureRequest, large: OnnxEngine, small: OnnxEngine) -> OnnxEngine:
    return speculative(large, small if request.param == "small" else None)


def speculative(large: OnnxEngine, small: OnnxEngine | None, k: int = 4) -> OnnxEngine:
    """Typed as what `written` takes; the two have the same `stream`."""
    return cast(OnnxEngine, SpeculativeEngine(large, small, k=k))


def ids(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


async def test_greedy_gives_the_very_tokens_of_large(large: OnnxEngine, pair: OnnxEngine) -> None:
    for prompt in (PROMPT, OTHER, PROMPT[:1], PROMPT + OTHER):
        alone = await written(large, prompt, max_tokens=60)
        tally = Tally()
        assert ids(await written(pair, prompt, max_tokens=60, tally=tally)) == ids(alone)
        assert tally.passes + tally.accepted >= 60


async def test_the_second_of_two_segments_goes_on_where_the_first_ended(pair: OnnxEngine, small: OnnxEngine) -> None:
    sampling = Sampling(temperature=1.0, seed=3)
    whole = await written(pair, PROMPT, max_tokens=30, sampling=sampling)
    first = await written(pair, PROMPT, max_tokens=11, sampling=sampling)
    await written(small, PROMPT + ids(first))  # the relay's own small model writes in between
    rest = await written(pair, PROMPT + ids(first), max_tokens=19, sampling=sampling, offset=11)
    assert ids(first + rest) == ids(whole)


async def test_what_small_has_read_it_need_not_read_again_to_draft(large: OnnxEngine, small: OnnxEngine) -> None:
    engine = speculative(large, small)
    first = await written(small, PROMPT, max_tokens=8)
    before = small.forwards
    await written(engine, PROMPT + ids(first), max_tokens=2)
    assert small.forwards == before + 1


async def test_tokens_have_the_top_two_and_the_log_probability(pair: OnnxEngine) -> None:
    for sampling in (GREEDY, Sampling(temperature=1.0)):
        tokens = await written(pair, PROMPT, sampling=sampling, top=True)
        assert all(len(token.top) == 2 and token.logprob <= 0 for token in tokens)


async def test_it_ends_where_until_fires_where_the_sequence_ends_and_where_the_context_does(pair: OnnxEngine) -> None:
    await assert_it_ends_where_it_should(pair)


async def test_calls_overlap(pair: OnnxEngine) -> None:
    prompts = [PROMPT, OTHER, PROMPT[5:], OTHER[7:]]
    alone = [ids(await written(pair, prompt)) for prompt in prompts]
    together = await asyncio.gather(*(written(pair, prompt) for prompt in prompts))
    assert list(map(ids, together)) == alone


async def test_cancelling_frees_both_models(large: OnnxEngine, small: OnnxEngine) -> None:
    await assert_cancelling_frees(speculative(large, small), large, small)


async def test_a_closed_model_is_an_engine_error(large: OnnxEngine, small: OnnxEngine) -> None:
    await small.aclose()
    with pytest.raises(EngineError, match="was closed"):
        await written(speculative(large, small), PROMPT)
    assert len(await written(large, PROMPT)) == 20


async def test_scoring_and_warming_are_larges(large: OnnxEngine, small: OnnxEngine) -> None:
    engine = SpeculativeEngine(large, small)
    assert await engine.score(PROMPT, 20) == await large.score(PROMPT, 20)
    await engine.warm(OTHER)
    await engine.aclose()
    assert engine.fingerprint == large.fingerprint
    assert small.forwards == 0


async def test_pairs_that_can_not_work_are_refused(large: OnnxEngine, small: OnnxEngine) -> None:
    other: Engine = ScriptedEngine(["x"])
    with pytest.raises(UsageError, match="vocabularies differ"):
        SpeculativeEngine(large, cast(OnnxEngine, other))
    with pytest.raises(UsageError, match="second model"):
        SpeculativeEngine(large, large)
    with pytest.raises(UsageError, match="k = 1 to 12"):
        SpeculativeEngine(large, small, k=0)
    with pytest.raises(UsageError, match="k = 1 to 12"):
        SpeculativeEngine(large, small, k=2.5)  # type: ignore[arg-type]
