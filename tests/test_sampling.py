"""Sampling against a naive implementation, and what must hold for every seed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relaygen.errors import EngineError, UsageError
from relaygen.sampling import Logits, Sampler, distribution, read, uniform
from relaygen.types import GREEDY, Sampling

EVERYTHING = Sampling(temperature=1.0, top_k=0, top_p=1.0)

# A coarse grid, so that ties are common and no sum is ever near a threshold by accident.
some_logits = st.lists(st.integers(-12, 12).map(lambda n: n / 2), min_size=2, max_size=40).map(
    lambda values: np.array(values, np.float32)
)
some_sampling = st.builds(
    Sampling,
    temperature=st.sampled_from([0.3, 0.6, 1.0, 1.7]),
    top_k=st.integers(0, 45),
    top_p=st.sampled_from([0.11, 0.5, 0.777, 0.95, 1.0]),
    min_p=st.sampled_from([0.0, 0.037, 0.31, 1.0]),
    seed=st.integers(-5, 2**70),
)


def naive(logits: Logits, sampling: Sampling) -> dict[int, float]:
    """Probabilities by id, one filter after the other, most probable token first."""
    left = sorted(enumerate(math.exp(x / sampling.temperature) for x in logits.tolist()), key=lambda c: (-c[1], c[0]))
    left = normalised(left[: sampling.top_k or None])
    for kept in range(1, len(left)):
        reached = math.fsum(p for _, p in left[:kept])
        assume(abs(reached - sampling.top_p) > 1e-6)
        if reached >= sampling.top_p:
            left = normalised(left[:kept])
            break
    assume(all(abs(p - sampling.min_p * left[0][1]) > 1e-6 or p == left[0][1] for _, p in left))
    return dict(normalised([(i, p) for i, p in left if p >= sampling.min_p * left[0][1]]))


def normalised(candidates: list[tuple[int, float]]) -> list[tuple[int, float]]:
    total = math.fsum(p for _, p in candidates)
    return [(i, p / total) for i, p in candidates]


def log_softmax(logits: Logits) -> list[float]:
    total = math.log(math.fsum(math.exp(x) for x in logits.tolist()))
    return [x - total for x in logits.tolist()]


@given(some_logits, some_sampling)
def test_the_distribution_is_the_naive_one(logits: Logits, sampling: Sampling) -> None:
    expected = naive(logits, sampling)
    ids, probabilities = distribution(logits, sampling)
    assert dict(zip(ids.tolist(), probabilities.tolist(), strict=True)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(top_k=0), Sampling(top_k=0, top_p=1.0, min_p=0.001), EVERYTHING, GREEDY],
    ids=["default", "top_p", "min_p", "everything", "greedy"],
)
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_a_vocabulary_of_real_size_gives_the_naive_distribution(sampling: Sampling, spread: float) -> None:
    logits = np.random.default_rng(0).normal(scale=spread, size=50_000).astype(np.float32)
    # In the order of the grid's probabilities thousands are near a threshold; one token more or less is no matter.
    expected = naive_large(logits, sampling)
    ids, probabilities = distribution(logits, sampling)
    assert abs(len(ids) - len(expected)) <= 2
    assert probabilities.sum() == pytest.approx(1)
    found = dict(zip(ids.tolist(), probabilities.tolist(), strict=True))
    assert all(found[i] == pytest.approx(p, rel=1e-3) for i, p in expected[:-2])


def naive_large(logits: Logits, sampling: Sampling) -> list[tuple[int, float]]:
    if sampling.temperature == 0:
        return [(int(logits.argmax()), 1.0)]
    weights = np.exp(logits.astype(np.float64) / sampling.temperature)
    order = np.argsort(-weights, kind="stable")[: sampling.top_k or None]
    shares = weights[order] / weights[order].sum()
    keep = shares >= sampling.min_p * shares[0]
    if sampling.top_p < 1:
        keep &= shares.cumsum() - shares < sampling.top_p
    return normalised(list(zip(order[keep].tolist(), shares[keep].tolist(), strict=True)))


@given(some_logits, some_sampling, st.integers(0, 10_000))
def test_a_token_is_drawn_from_the_distribution_and_carries_the_raw_log_probability(
    logits: Logits, sampling: Sampling, position: int
) -> None:
    token = Sampler(sampling)(logits, position)
    assert token.id in distribution(logits, sampling)[0]
    assert token.logprob == pytest.approx(log_softmax(logits)[token.id], abs=1e-5)
    assert token.top == ()


@given(some_logits, st.integers(0, 100))
def test_greedy_takes_the_first_of_the_most_probable(logits: Logits, position: int) -> None:
    assert Sampler(GREEDY)(logits, position).id == int(logits.argmax())
    assert Sampler(Sampling(temperature=1e-30))(logits, position).id == int(logits.argmax())


@given(some_logits, some_sampling, st.lists(st.integers(0, 50), min_size=2, max_size=6))
def test_what_is_drawn_depends_on_seed_and_position_alone(
    logits: Logits, sampling: Sampling, positions: list[int]
) -> None:
    together = Sampler(sampling)
    assert [together(logits, p) for p in positions] == [Sampler(sampling)(logits, p) for p in positions]


@given(some_logits, some_sampling)
def test_the_top_two_come_in_order(logits: Logits, sampling: Sampling) -> None:
    token = Sampler(sampling, top=True)(logits, 0)
    expected = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:2]
    assert [candidate.id for candidate in token.top] == expected
    exact = [log_softmax(logits)[i] for i in expected]
    assert [candidate.logprob for candidate in token.top] == pytest.approx(exact, abs=1e-5)


@given(some_logits, st.data())
def test_reading_a_token_gives_what_sampling_it_would(logits: Logits, data: st.DataObject) -> None:
    token = Sampler(replace(EVERYTHING, seed=data.draw(st.integers(0, 99))), top=True)(logits, 3)
    assert read(logits, token.id) == (token.id, token.logprob, token.top)


@pytest.mark.parametrize("sampling", [EVERYTHING, Sampling(temperature=0.8, top_k=5, top_p=0.9)])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_frequencies_fit_the_distribution(sampling: Sampling, seed: int) -> None:
    logits = np.array([1.0, 0.2, -0.5, 0.9, -2.0, 0.0, 0.4, -1.0], np.float32)
    ids, probabilities = distribution(logits, sampling)
    draw, n = Sampler(replace(sampling, seed=seed)), 20_000
    drawn = np.bincount([draw(logits, position).id for position in range(n)], minlength=len(logits))
    expected = probabilities * n
    chi_square = float(((drawn[ids] - expected) ** 2 / expected).sum())
    assert drawn.sum() == drawn[ids].sum()
    assert chi_square < 24.3  # 7 degrees of freedom at most: one seed in a thousand lies above


@given(st.integers(-(2**65), 2**65), st.integers(0, 2**40), st.integers(0, 9))
def test_uniform_lies_between_0_and_1(seed: int, position: int, stream: int) -> None:
    assert 0 <= uniform(seed, position, stream) < 1


def test_neighbouring_seeds_positions_and_streams_are_unrelated() -> None:
    grid = np.array([[[uniform(s, p, t) for p in range(40)] for s in range(40)] for t in range(3)])
    assert len(np.unique(grid)) == grid.size
    assert abs(grid.mean() - 0.5) < 0.01
    for axis in range(3):
        following = np.roll(grid, 1, axis)
        assert abs(np.corrcoef(grid.ravel(), following.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("sampling", [GREEDY, Sampling(), EVERYTHING])
def test_logits_that_are_not_finite_are_an_error(bad: float, sampling: Sampling) -> None:
    logits = np.array([0.0, bad, 1.0], np.float32)
    with pytest.raises(EngineError, match="not finite"):
        Sampler(sampling)(logits, 0)
    with pytest.raises(EngineError, match="not finite"):
        distribution(logits, sampling)


def test_a_token_that_is_ruled_out_is_never_drawn() -> None:
    logits = np.array([-math.inf, 0.0, -math.inf], np.float32)
    assert {Sampler(EVERYTHING)(logits, position).id for position in range(50)} == {1}


@pytest.mark.parametrize(
    ("sampling", "setting"),
    [
        (Sampling(temperature=-0.1), "temperature"),
        (Sampling(temperature=math.nan), "temperature"),
        (Sampling(top_k=-1), "top_k"),
        (Sampling(top_p=0.0), "top_p"),
        (Sampling(top_p=1.5), "top_p"),
        (Sampling(min_p=-0.2), "min_p"),
    ],
)
def test_settings_out_of_range_are_refused(sampling: Sampling, setting: str) -> None:
    with pytest.raises(UsageError, match=f"{setting} must be"):
        Sampler(sampling)
