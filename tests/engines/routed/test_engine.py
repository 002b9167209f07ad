"""The routed engine over two local models, with a router that does what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.engines.doubles import OTHER, PROMPT, assert_cancelling_frees, assert_it_ends_where_it_should, written

from relaygen.engines.base import Engine, Tally
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.routed import RoutedEngine, Router
from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import EngineError, UsageError
from relaygen.types import LARGE, SMALL, Role, Sampling, Token

pytestmark = pytest.mark.anyio


class Rule:
    """Stands for a router: gives token number i (from 0) to large where `rule(i)` says so, and keeps what it saw."""

    def __init__(self, rule: Callable[[int], bool], size: int) -> None:
        self.record = SimpleNamespace(threshold=0.5, hidden_size=size)
        self.seen: list[tuple[int, int]] = []
        self._rule = rule

    def __call__(self, hidden: np.ndarray[Any, Any], tokens: np.ndarray[Any, Any], logits: np.ndarray[Any, Any]) -> Any:
        assert hidden.shape == (1, self.record.hidden_size)
        self.seen.append((int(tokens[0]), int(logits[0].argmax())))
        return np.array([0.9 if self._rule(len(self.seen) - 1) else 0.1])


def routed(large: OnnxEngine, small: OnnxEngine, rule: Callable[[int], bool], **options: Any) -> OnnxEngine:
    """Typed as what `written` takes; the two have the same `stream`."""
    router = Rule(rule, small.require_hidden_states())
    return cast(OnnxEngine, RoutedEngine(large, small, cast(Router, router), **options))


def ids(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


@pytest.mark.parametrize("role", [LARGE, SMALL])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_at_both_ends_it_writes_what_one_model_alone_would(
    large: OnnxEngine, small: OnnxEngine, temperature: float, role: Role
) -> None:
    sampling, tally = Sampling(temperature=temperature, seed=5), Tally()
    alone = await written(large if role is LARGE else small, PROMPT, max_tokens=40, sampling=sampling)
    engine = routed(large, small, lambda i: role is LARGE)
    found = await written(engine, PROMPT, max_tokens=40, sampling=sampling, tally=tally)
    assert ids(found) == ids(alone)
    assert {token.role for token in found} == {role}
    assert tally.replaced == (40 if role is LARGE else 0)


async def test_each_model_writes_on_from_what_the_other_wrote(large: OnnxEngine, small: OnnxEngine) -> None:
    found = await written(routed(large, small, lambda i: i % 5 in (1, 2)), PROMPT, max_tokens=20)
    assert [token.role for token in found] == [LARGE if i % 5 in (1, 2) else SMALL for i in range(20)]
    engines: dict[Role | None, OnnxEngine] = {LARGE: large, SMALL: small}
    for i, token in enumerate(found):
        before = PROMPT + ids(found[:i])
        assert ids(await written(engines[token.role], before, max_tokens=1)) == [token.id]


async def test_the_router_sees_what_small_draws_and_from_what(large: OnnxEngine, small: OnnxEngine) -> None:
    engine = routed(large, small, lambda i: i == 2)
    found = await written(engine, PROMPT, max_tokens=6)
    seen = cast(Rule, cast(RoutedEngine, engine)._router).seen
    assert [token for token, _ in seen] == [best for _, best in seen], "greedy draws the best"
    assert [token for token, _ in seen[:2] + seen[3:]] == ids(found[:2] + found[3:])


async def test_large_reads_in_one_go_what_small_has_written(large: OnnxEngine, small: OnnxEngine) -> None:
    engine = routed(large, small, lambda i: i in (10, 11))
    await large.warm(PROMPT)
    before = large.forwards
    await written(engine, PROMPT, max_tokens=20)
    assert large.forwards == before + 2
    assert small.forwards <= 21, "small is never rewound"


async def test_large_is_not_asked_for_what_it_does_not_write(large: OnnxEngine, small: OnnxEngine) -> None:
    await written(routed(large, small, lambda i: False), PROMPT)
    assert large.forwards == 0


async def test_a_token_tells_its_time(large: OnnxEngine, small: OnnxEngine) -> None:
    found = await written(routed(large, small, lambda i: i % 2 == 0), PROMPT)
    assert all(token.seconds > 0 for token in found)


async def test_the_threshold_can_be_given(large: OnnxEngine, small: OnnxEngine) -> None:
    engine = routed(large, small, lambda i: i == 0, threshold=0.95)
    assert {token.role for token in await written(engine, PROMPT)} == {SMALL}
    assert {t.role for t in await written(routed(large, small, lambda i: False, threshold=0), PROMPT)} == {LARGE}


async def test_it_ends_where_until_fires_where_the_sequence_ends_and_where_the_context_does(
    large: OnnxEngine, small: OnnxEngine
) -> None:
    await assert_it_ends_where_it_should(routed(large, small, lambda i: True))


async def test_cancelling_frees_both_models(large: OnnxEngine, small: OnnxEngine) -> None:
    await assert_cancelling_frees(routed(large, small, lambda i: True), large, small)


async def test_a_closed_model_is_an_engine_error(large: OnnxEngine, small: OnnxEngine) -> None:
    await large.aclose()
    with pytest.raises(EngineError, match="was closed"):
        await written(routed(large, small, lambda i: True), PROMPT)


async def test_scoring_is_larges_and_warming_is_smalls(large: OnnxEngine, small: OnnxEngine) -> None:
    engine = routed(large, small, lambda i: True)
    assert await engine.score(PROMPT, 20) == await large.score(PROMPT, 20)
    await engine.warm(OTHER)
    await engine.aclose()
    assert engine.fingerprint == large.fingerprint
    assert small.forwards == 1


async def test_pairs_that_can_not_work_are_refused(large: OnnxEngine, small: OnnxEngine) -> None:
    other: Engine = ScriptedEngine(["x"])
    with pytest.raises(UsageError, match="vocabularies differ"):
        routed(cast(OnnxEngine, other), small, bool)
    with pytest.raises(UsageError, match="relaygen convert --hidden-states"):
        RoutedEngine(small, large, cast(Router, Rule(bool, 8)))
    with pytest.raises(UsageError, match="have 256 numbers, not 8"):
        RoutedEngine(large, small, cast(Router, Rule(bool, 8)))
    with pytest.raises(UsageError, match="between 0 and 1"):
        routed(large, small, bool, threshold=1.5)
