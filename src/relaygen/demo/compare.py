"""Runs policies on the same problems, interleaved, and sums up. Knows nothing about terminals."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from relaygen.policies import Policy
from relaygen.problems import Problem, ProblemSet
from relaygen.relay import Relay
from relaygen.types import Finished, Trace, Written


@dataclass(frozen=True, slots=True)
class Outcome:
    """One problem solved, or not, by one policy."""

    policy: str
    problem: Problem
    trace: Trace
    correct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy over all problems. `seconds` and `tokens` are sums; `speedup` is large's seconds over these."""

    policy: str
    n: int
    accuracy: float
    seconds: float
    tokens: int
    large_share: float
    switches: int
    speedup: float | None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        z, p, n = 1.959964, self.accuracy, self.n
        centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        scale = 1 + z * z / n
        return (centre - spread) / scale, (centre + spread) / scale


async def compare(
    relay: Relay, policies: Sequence[tuple[str, Policy]], sets: Sequence[ProblemSet], n: int
) -> AsyncGenerator[Written | Outcome, None]:
    """Runs every policy on `n` problems, the tasks in turn. The order of the policies rotates from problem to problem,
    so that none profits from a warm machine. Yields what is being written, and an Outcome as each is done.
    """
    for i in range(n):
        problems = sets[i % len(sets)]
        problem = problems[i // len(sets)]
        options = relay.with_sampling(seed=relay.options.sampling.seed + i)
        for j in range(len(policies)):
            name, policy = policies[(i + j) % len(policies)]
            async with aclosing(relay.stream(problem.question, policy=policy, options=options)) as events:
                async for event in events:
                    if isinstance(event, Written):
                        yield event
                    elif isinstance(event, Finished):
                        yield Outcome(name, problem, event.trace, problems.solved(problem, event.trace.answer))


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Sums up, one row a policy, in the order in which they first occur."""
    by_policy: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_policy.setdefault(outcome.policy, []).append(outcome)
    found = [_row(policy, done) for policy, done in by_policy.items()]
    large = next((row.seconds for row in found if row.policy == "large"), None)
    return [replace(row, speedup=large / row.seconds if large and row.seconds else None) for row in found]


def _row(policy: str, done: Sequence[Outcome]) -> Row:
    tokens = sum(o.trace.usage.completion_tokens for o in done)
    large = sum(o.trace.usage.large_tokens for o in done)
    return Row(
        policy=policy,
        n=len(done),
        accuracy=sum(o.correct for o in done) / len(done),
        seconds=sum(o.trace.seconds for o in done),
        tokens=tokens,
        large_share=large / tokens if tokens else 0.0,
        switches=sum(o.trace.switches for o in done),
        speedup=None,
    )
