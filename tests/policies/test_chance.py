"""The control: hand-overs at random places, with a chosen large share."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policies.driving import Drive, wrote

from relaygen.policies import Write
from relaygen.policies.chance import Random
from relaygen.types import LARGE, SMALL, Ending, Role
from relaygen.until import sentence_end, think_end

LENGTHS = [random.Random(1).randint(3, 40) for _ in range(400)]


def driven(policy: Random, lengths: list[int], answer: int = 32) -> list[tuple[Role, int]]:
    """Who wrote how much: a sentence of each length, then the answer."""
    drive, written = Drive(policy), []
    for i, length in enumerate(lengths):
        assert isinstance(drive.asked, Write)
        written.append((drive.asked.role, length))
        drive.answer(wrote("x" * length, Ending.THINK_END if i == len(lengths) - 1 else Ending.SENTENCE))
    assert drive.asked == Write(SMALL)
    assert drive.answer(wrote("42", Ending.EOS)) is None
    return [*written, (SMALL, answer)]


def share(written: list[tuple[Role, int]]) -> float:
    return sum(n for role, n in written if role is LARGE) / sum(n for _, n in written)


@pytest.mark.parametrize("target", [0.1, 0.3, 0.6, 0.7, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_large_share_lands_near_its_target(target: float, seed: int) -> None:
    assert share(driven(Random(share=target, seed=seed), LENGTHS)) == pytest.approx(target, abs=0.01)


@pytest.mark.parametrize("target", [0.4, 0.7])
def test_short_generations_land_near_it_on_average(target: float) -> None:
    shares = [share(driven(Random(share=target, seed=seed), LENGTHS[seed : seed + 12])) for seed in range(200)]
    assert sum(shares) / len(shares) == pytest.approx(target, abs=0.03)


def test_both_models_write_in_turns_that_no_rule_tells() -> None:
    roles = [role for role, _ in driven(Random(share=0.5), LENGTHS)]
    switches = sum(a is not b for a, b in pairwise(roles))
    assert 100 < switches < 300


@pytest.mark.parametrize(("target", "role"), [(0, SMALL), (1, LARGE)])
def test_the_ends_of_the_scale_leave_nothing_to_chance(target: float, role: Role) -> None:
    assert {r for r, _ in driven(Random(share=target), LENGTHS)[:-1]} == {role}


@given(st.integers(0, 99), st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_the_same_seed_makes_the_same_choices(seed: int, lengths: list[int]) -> None:
    assert driven(Random(seed=seed), lengths) == driven(Random(seed=seed), lengths)


def test_another_seed_makes_others() -> None:
    assert driven(Random(seed=1), LENGTHS) != driven(Random(seed=2), LENGTHS)


def test_it_asks_for_a_sentence_at_a_time() -> None:
    asked = Drive(Random(max_segment=99)).asked
    assert isinstance(asked, Write)
    assert (asked.until, asked.max_tokens) == (sentence_end() | think_end(), 99)
