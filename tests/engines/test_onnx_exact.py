"""Exact engines: nothing depends on how many tokens are fed at once, beyond the last digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaygen.engines import EngineSettings
from relaygen.engines.onnx.model import Model
from relaygen.engines.onnx.sequence import CachedSequence

TOKENS = [int(i) for i in np.random.default_rng(0).integers(10, 200, 40)]


@pytest.fixture(scope="module")
def model(nano_small: Path) -> Model:
    return Model(nano_small, EngineSettings(context=64, exact=True), providers=None)


@given(widths=st.lists(st.integers(1, 9), min_size=1, max_size=20))
@settings(max_examples=20)
def test_widths_do_not_matter(model: Model, widths: list[int]) -> None:
    whole, pieces = CachedSequence(model), CachedSequence(model)
    expected = whole.feed(TOKENS).copy()
    start = pieces.feed(TOKENS[:3]).copy()
    assert np.allclose(start, expected[:3], atol=1e-4)
    for width in widths:
        done = len(pieces.tokens)
        rows = pieces.feed(TOKENS[done : done + width]) if done + width <= len(TOKENS) else expected[done:]
        assert np.allclose(rows, expected[done : done + len(rows)], atol=1e-4)
        assert pieces.tokens == TOKENS[: len(pieces.tokens)]


def test_a_token_fed_again_is_not_kept_twice(model: Model) -> None:
    sequence = CachedSequence(model)
    sequence.feed([20])
    assert len(sequence.feed([21])) == 1
    assert sequence.tokens == [20, 21]
