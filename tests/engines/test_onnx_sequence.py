"""Key/value caches that can be rewound: however tokens get in, the logits are those of feeding them in one go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relaygen.engines import EngineSettings
from relaygen.engines.onnx.model import Model
from relaygen.engines.onnx.sequence import CachedSequence, _float32
from relaygen.engines.onnx.work import Stop, feed, fill
from relaygen.sampling import Logits

CONTEXT = 64
# Of the logits' standard deviation: kernels for one row and for several round differently, and 8-bit activations
# amplify that.
CLOSE = 0.2

ids = st.lists(st.integers(10, 200), min_size=2, max_size=CONTEXT - 4)


@pytest.fixture(scope="module")
def model(nano_small: Path) -> Model:
    return Model(nano_small, EngineSettings(context=CONTEXT), providers=None)


def in_one_go(model: Model, tokens: list[int]) -> Logits:
    return CachedSequence(model).feed(tokens).copy()


def assert_close(rows: Logits, expected: Logits) -> None:
    tolerance = CLOSE * float(expected.std())
    assert float(np.abs(rows - expected).max()) <= tolerance
    chosen = np.take_along_axis(rows, expected.argmax(axis=1, keepdims=True), axis=1)
    assert (chosen >= rows.max(axis=1, keepdims=True) - tolerance).all()


@given(tokens=ids, data=st.data())
@settings(max_examples=30)
def test_pieces_and_rewinds_give_the_logits_of_one_go(model: Model, tokens: list[int], data: st.DataObject) -> None:
    expected = in_one_go(model, tokens)
    sequence = CachedSequence(model)
    rewinds = data.draw(st.integers(0, 3))
    while (done := len(sequence.tokens)) < len(tokens):
        count = data.draw(st.integers(1, len(tokens) - done))
        assert_close(sequence.feed(tokens[done : done + count]), expected[done : done + count])
        if rewinds:
            rewinds -= 1
            # Something else may have been there in the meantime.
            sequence.feed([7] * data.draw(st.integers(1, CONTEXT - len(sequence.tokens))))
            sequence.rewind(data.draw(st.integers(0, done + count)))
    assert sequence.tokens == tokens


@given(tokens=ids)
@settings(max_examples=10)
def test_token_by_token_gives_the_logits_of_one_go(model: Model, tokens: list[int]) -> None:
    sequence = CachedSequence(model)
    assert_close(np.concatenate([sequence.feed([token]).copy() for token in tokens]), in_one_go(model, tokens))


def test_two_sequences_of_a_model_are_independent(model: Model) -> None:
    a, b = list(range(20, 50)), list(range(80, 50, -1))
    first, second = CachedSequence(model), CachedSequence(model)
    for at in range(0, 30, 5):
        rows_a, rows_b = first.feed(a[at : at + 5]), second.feed(b[at : at + 5])
        assert_close(rows_a, in_one_go(model, a)[at : at + 5])
        assert_close(rows_b, in_one_go(model, b)[at : at + 5])


def test_a_failed_feed_leaves_the_sequence_as_it_was(model: Model) -> None:
    tokens = list(range(30, 50))
    sequence = CachedSequence(model)
    sequence.feed(tokens[:10])
    with pytest.raises(Exception, match="out of data bounds"):
        sequence.feed([10**6])
    assert sequence.tokens == tokens[:10]
    assert_close(sequence.feed(tokens[10:]), in_one_go(model, tokens)[10:])


@example(tokens=list(range(20, 29)), cached=0, first=8, chunk=4)
@example(tokens=list(range(20, 29)), cached=8, first=8, chunk=4)
@given(tokens=ids, cached=st.integers(0, 60), first=st.integers(0, 60), chunk=st.integers(3, 20))
@settings(max_examples=50)
def test_feeding_brings_the_rows_that_are_wanted_and_never_a_lone_token(
    model: Model, tokens: list[int], cached: int, first: int, chunk: int
) -> None:
    sequence = CachedSequence(model)
    fill(sequence, tokens[:cached], Stop())
    sequence.chunk = chunk
    pieces = [(at, len(rows)) for at, rows in feed(sequence, tokens, first, Stop())]
    assert sequence.tokens == tokens
    assert all(1 < size <= chunk for _, size in pieces)
    positions = [at + i for at, size in pieces for i in range(size)]
    assert positions == list(range(positions[0], len(tokens))) if positions else first >= len(tokens) <= cached
    assert set(range(first, len(tokens))) <= set(positions)


def test_a_stop_is_seen_before_the_next_piece(model: Model) -> None:
    sequence, stop = CachedSequence(model), Stop()
    sequence.chunk = 8
    for _ in feed(sequence, list(range(20, 50)), 0, stop):
        stop.asked = True
    assert sequence.tokens == list(range(20, 28))
    assert sequence.forwards == 1


def test_half_precision_logits_become_float32() -> None:
    values = np.array([1.5, -0.25, 0.0], np.float32)
    bfloat16 = (values.view(np.uint32) >> 16).astype(np.uint16)
    for raw in (values, values.astype(np.float16), bfloat16):
        assert _float32(raw).dtype == np.float32
        assert _float32(raw).tolist() == values.tolist()
