"""Which sequence a call gets, and who waits."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from relaygen.engines.onnx.pool import Pool, common_prefix
from relaygen.engines.onnx.sequence import CachedSequence

pytestmark = pytest.mark.anyio

few = st.lists(st.integers(0, 1), max_size=40)


class Fake:
    """Tokens without a cache."""

    def __init__(self) -> None:
        self.tokens: list[int] = []

    def rewind(self, length: int) -> None:
        del self.tokens[length:]


def pool(limit: int) -> Pool:
    return Pool(lambda: cast(CachedSequence, Fake()), limit)


async def used(pool: Pool, tokens: list[int]) -> CachedSequence:
    """A call that leaves `tokens` in its sequence."""
    sequence = await pool.take(tokens)
    sequence.tokens[:] = tokens
    pool.give_back(sequence)
    return sequence


@given(few, few, few)
def test_the_common_prefix_is_the_longest(shared: list[int], a: list[int], b: list[int]) -> None:
    left, right = shared + a, shared + b
    length = common_prefix(left, right)
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]


async def test_a_call_gets_the_sequence_with_the_longest_common_prefix() -> None:
    sequences = pool(2)
    a = await used(sequences, [1, 2, 3, 4])
    b = await used(sequences, [9, 8, 7, 6])
    assert a is not b
    assert await sequences.take([9, 8, 7, 5]) is b
    assert b.tokens == [9, 8, 7]
    assert await sequences.take([1, 2, 3, 4, 5]) is a
    assert a.tokens == [1, 2, 3, 4]


async def test_a_conversation_keeps_its_sequence_while_another_can_be_made() -> None:
    sequences = pool(2)
    a = await used(sequences, [1, 2, 3, 4, 5, 6])
    b = await used(sequences, [1, 2, 9, 9, 9, 9])
    assert a is not b
    assert a.tokens == [1, 2, 3, 4, 5, 6]


async def test_the_least_recently_used_sequence_is_given_up_first() -> None:
    sequences = pool(2)
    a = await used(sequences, [1, 1, 1])
    await used(sequences, [2, 2, 2])
    assert await sequences.take([3, 3, 3]) is a
    assert a.tokens == []


async def test_callers_wait_in_order_of_arrival() -> None:
    sequences = pool(1)
    held = await sequences.take([1])
    order: list[int] = []

    async def call(number: int) -> None:
        sequence = await sequences.take([number])
        order.append(number)
        sequences.give_back(sequence)

    tasks = [asyncio.create_task(call(number)) for number in range(4)]
    await checkpoint()
    assert order == []
    sequences.give_back(held)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3]


@pytest.mark.parametrize("after_the_turn", [False, True])
async def test_a_caller_that_gives_up_does_not_keep_its_turn(after_the_turn: bool) -> None:
    sequences = pool(1)
    held = await sequences.take([1])
    impatient = asyncio.create_task(sequences.take([2]))
    patient = asyncio.create_task(sequences.take([3]))
    await checkpoint()
    if after_the_turn:
        sequences.give_back(held)
    impatient.cancel()
    if not after_the_turn:
        sequences.give_back(held)
    assert await patient is held
    sequences.give_back(held)
    assert await sequences.take([4]) is held
