"""Policies on the same problems, in turn, and what comes of it."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import replace

import pytest
from tests.demo.players import engine

from relaygen.demo import Outcome, compare, rows
from relaygen.demo.compare import Row
from relaygen.policies import create_policy
from relaygen.problems import NANO_TASKS, ProblemSet
from relaygen.relay import Relay
from relaygen.types import Written

pytestmark = pytest.mark.anyio
NAMES = ["relaygen", "large", "small"]


async def outcomes(n: int, names: list[str] = NAMES) -> list[Outcome]:
    relay = Relay(engine("nano:large"), engine("nano:small"))
    policies = [(name, create_policy(name, relay.profile)) for name in names]
    sets = [ProblemSet(task) for task in NANO_TASKS]
    return [event async for event in compare(relay, policies, sets, n) if isinstance(event, Outcome)]


async def test_every_policy_meets_every_problem_once() -> None:
    done = await outcomes(6)
    assert Counter((o.policy, o.problem.question) for o in done).most_common(1)[0][1] == 1
    assert len(done) == 18
    tasks = [o.problem.task for o in done[::3]]
    assert tasks == [*NANO_TASKS, *list(NANO_TASKS)[:2]]
    assert [o.problem.index for o in done[::3]] == [0, 0, 0, 0, 1, 1]


async def test_the_order_of_the_policies_rotates() -> None:
    done = [o.policy for o in await outcomes(3)]
    assert done == ["relaygen", "large", "small", "large", "small", "relaygen", "small", "relaygen", "large"]


async def test_policies_share_the_seed_of_a_problem() -> None:
    done = await outcomes(2)
    assert [o.trace.seed for o in done] == [0, 0, 0, 1, 1, 1]


async def test_answers_are_judged() -> None:
    done = await outcomes(4)
    assert {(o.policy, o.correct) for o in done} == {("large", True), ("relaygen", True), ("small", False)}


async def test_what_is_being_written_is_told() -> None:
    relay = Relay(engine("nano:large"), engine("nano:small"))
    policy = create_policy("relaygen", relay.profile)
    seen = [event async for event in compare(relay, [("relaygen", policy)], [ProblemSet("products")], 1)]
    *written, outcome = seen
    assert isinstance(outcome, Outcome)
    assert "".join(event.text for event in written if isinstance(event, Written)) == outcome.trace.text


async def test_leaving_aborts_the_generation() -> None:
    large = engine("nano:large")
    relay = Relay(large, engine("nano:small"))
    policies = [("large", create_policy("large", relay.profile))]
    async with aclosing(compare(relay, policies, [ProblemSet("products")], 1)) as events:
        assert isinstance(await anext(events), Written)
    assert large.running == 0


async def test_a_row_sums_up_a_policy() -> None:
    done = await outcomes(4)
    found = {row.policy: row for row in rows(done)}
    assert list(found) == NAMES
    mine = [o.trace for o in done if o.policy == "relaygen"]
    row = found["relaygen"]
    assert (row.n, row.accuracy, row.tokens) == (4, 1.0, sum(t.usage.completion_tokens for t in mine))
    assert row.large_share == sum(t.usage.large_tokens for t in mine) / row.tokens
    assert (row.switches, row.seconds) == (sum(t.switches for t in mine), sum(t.seconds for t in mine))
    assert found["large"].speedup == 1.0
    assert row.speedup == found["large"].seconds / row.seconds
    assert (found["large"].large_share, found["small"].large_share) == (1.0, 0.0)


async def test_without_large_there_is_no_speed_up() -> None:
    assert [row.speedup for row in rows(await outcomes(1, ["small"]))] == [None]


@pytest.mark.parametrize(
    ("accuracy", "n", "low", "high"), [(1.0, 4, 0.510, 1.0), (0.0, 10, 0.0, 0.278), (0.5, 100, 0.404, 0.596)]
)
def test_the_interval_is_wilsons(accuracy: float, n: int, low: float, high: float) -> None:
    row = Row(policy="", n=n, accuracy=accuracy, seconds=1, tokens=1, large_share=0, switches=0, speedup=None)
    assert row.interval == pytest.approx((low, high), abs=5e-4)
    narrower = replace(row, n=4 * n).interval
    assert narrower[1] - narrower[0] < high - low
