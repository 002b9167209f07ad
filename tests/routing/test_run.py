"""Training end to end, and the numbers that are made without a network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaygen.engines import EngineSettings, create_engine
from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import MissingExtra, UsageError
from relaygen.relay import Options, Relay
from relaygen.routing import Settings, Shape, run, train_router
from relaygen.routing.examples import Examples
from relaygen.routing.run import check_pair, measured, split, threshold_for

scores = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=2, max_size=60)


def some(divergent: list[bool], mark: int = 0) -> Examples:
    n = len(divergent)
    return Examples(np.zeros((n, 3), np.float16), np.full(n, mark), np.zeros((n, 2), np.float32), np.array(divergent))


@given(scored=scores, recall=st.floats(0.01, 1))
def test_the_threshold_reaches_the_recall_and_a_higher_one_would_not(
    scored: list[tuple[float, bool]], recall: float
) -> None:
    chances = np.array([chance for chance, _ in scored], np.float32)
    divergent = np.array([label for _, label in scored])
    divergent[0] = True
    threshold = threshold_for(recall, chances, divergent)
    found = measured(threshold, chances, divergent)
    assert found.recall >= recall - 1e-4
    assert (chances[divergent] > threshold + 1e-4).sum() < math.ceil(recall * divergent.sum())
    assert found.large_share >= found.recall * divergent.mean() - 1e-3


def test_no_problem_is_trained_and_tested_on() -> None:
    seen = [some([True, False, False], mark) for mark in range(10)]
    parts = split(seen, seed=1)
    marks = [set(part.tokens.tolist()) for part in parts]
    assert sorted(mark for part in marks for mark in part) == list(range(10))
    assert [len(part) for part in marks] == [6, 2, 2]
    assert [set(part.tokens.tolist()) for part in split(seen, seed=1)] == marks


@pytest.mark.parametrize("seen", [[], [some([True, False])] * 2, [some([False, False])] * 10])
def test_too_few_divergences_are_one_sentence(seen: list[Examples]) -> None:
    with pytest.raises(UsageError, match="too few to train"):
        split(seen, seed=0)


@pytest.mark.parametrize(("name", "value"), [("recall", 0.0), ("recall", 1.1), ("concurrency", 0)])
def test_settings_out_of_range(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="width"):
        Shape(width=0)


def test_pairs_that_can_not_be_routed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "NEEDED", ())
    with pytest.raises(UsageError, match="models in this process"):
        check_pair(Relay(ScriptedEngine([]), ScriptedEngine([])))
    large = create_engine("nano:large", EngineSettings(context=64))
    with pytest.raises(UsageError, match="relaygen convert --hidden-states"):
        check_pair(Relay(large, large, profile="candidates"))
    monkeypatch.setattr(run, "NEEDED", ("no_such_module",))
    with pytest.raises(MissingExtra, match=r"relaygen\[router\]"):
        check_pair(Relay(large, large, profile="candidates"))


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_trained_router_runs_and_belongs_to_its_pair(tmp_path: Path) -> None:
    for package in (*run.NEEDED, "reasoning_gym"):
        pytest.importorskip(package)
    settings = Settings(task="simple_equations", n=10, recall=0.9, shape=Shape(width=16, blocks=1, epochs=3))
    async with Relay.open(options=Options(max_tokens=300)) as relay:
        trained = await train_router(relay, settings, tmp_path / "router", tmp_path / "work")
        assert trained.record.validation.recall >= 0.9
        assert trained.record.training.traces <= 10
        labels = (tmp_path / "work" / "labels.jsonl").read_bytes()
        again = await train_router(relay, settings, tmp_path / "again", tmp_path / "work")
        assert (tmp_path / "work" / "labels.jsonl").read_bytes() == labels, "nothing is judged twice"
        assert again.record == trained.record
        trace = await relay.agenerate("What is 1 + 2?", policy=f'large+routed(router="{tmp_path / "router"}")')
        assert trace.usage.completion_tokens == len(trace.tokens) > 0
    assert json.loads((tmp_path / "router" / "router.json").read_text())["training"]["task"] == "simple_equations"
