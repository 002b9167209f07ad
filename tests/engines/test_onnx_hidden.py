"""Hidden states: there where the model gives them, for the very tokens that were fed; and what a router reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaygen.engines import EngineSettings
from relaygen.engines.onnx.model import Model
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.errors import UsageError

TOKENS = [int(i) for i in np.random.default_rng(0).integers(10, 200, 12)]


@pytest.mark.parametrize("exact", [False, True])
def test_they_are_those_of_the_tokens_fed_last(nano_small: Path, exact: bool) -> None:
    model = Model(nano_small, EngineSettings(context=64, exact=exact), providers=None)
    whole, pieces = CachedSequence(model), CachedSequence(model)
    whole.feed(TOKENS)
    expected = whole.hidden.copy()
    assert expected.shape == (len(TOKENS), model.hidden_size)
    for start, end in ((0, 5), (5, 6), (6, 12)):
        pieces.feed(TOKENS[start:end])
        assert pieces.hidden.shape == (end - start, model.hidden_size)
        assert np.allclose(pieces.hidden, expected[start:end], atol=1e-4 if exact else 0.2 * expected.std())


def test_a_model_without_them_works_and_says_so_when_it_is_asked(nano_large: Path) -> None:
    model = Model(nano_large, EngineSettings(context=64), providers=None)
    sequence = CachedSequence(model)
    assert model.hidden_size == 0
    assert sequence.feed(TOKENS).shape == (len(TOKENS), model.vocabulary)
    with pytest.raises(UsageError, match="relaygen convert --hidden-states"):
        _ = sequence.hidden
