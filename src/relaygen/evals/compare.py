"""Two runs, policy by policy, on the problems that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relaygen.errors import UsageError
from relaygen.evals.header import differences
from relaygen.evals.metrics import Accuracy, accuracy
from relaygen.evals.paired import Ratio, Versus, pair, speed_up, versus
from relaygen.evals.rows import Row
from relaygen.evals.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One policy in both runs. `versus` is the second accuracy minus the first, `speed_up` the first's time over the
    second's; timings of two runs were not taken side by side, so the machine may have been another one.
    """

    policy: str
    problems: int
    first: Accuracy | None
    second: Accuracy | None
    versus: Versus | None
    speed_up: Ratio | None


def compare(first: Run, second: Run) -> list[Comparison]:
    """The policies of both runs, on their common problems.

    Raises UsageError when the runs have no policy or no problem in common.
    """
    common = [s.policy for s in first.summaries if s.policy in {t.policy for t in second.summaries}]
    if not common:
        raise UsageError(
            f"The runs have no policy in common: {_policies(first)} in the first, {_policies(second)} in the second."
        )
    tasks = _same_tasks(first, second)
    found = [_comparison(policy, _rows(first, policy, tasks), _rows(second, policy, tasks)) for policy in common]
    if not any(comparison.problems for comparison in found):
        raise UsageError("The runs have no problems in common.")
    return found


def what_differs(first: Run, second: Run) -> list[str]:
    """The settings that are not the same, in words."""
    old, new = first.reader.header, second.reader.header
    places = [
        f"{name} was {before}, now it is {after}"
        for name in ("relaygen", "commit", "processor", "cores")
        if (before := getattr(old.environment, name)) != (after := getattr(new.environment, name))
    ]
    return differences(old.settings, new.settings) + places


def _same_tasks(first: Run, second: Run) -> set[str]:
    old, new = (run.reader.header.settings.samples_from for run in (first, second))
    return {task for task, digest in old.items() if new.get(task) == digest}


def _rows(run: Run, policy: str, tasks: set[str]) -> list[Row]:
    return [row for row in run.rows if row.policy == policy and row.task in tasks]


def _comparison(policy: str, first: Sequence[Row], second: Sequence[Row]) -> Comparison:
    pairing = pair(first, second)
    return Comparison(
        policy=policy,
        problems=len({row.sample for row in pairing.first}),
        first=accuracy(pairing.first),
        second=accuracy(pairing.second),
        versus=versus(pairing),
        speed_up=speed_up(pairing),
    )


def _policies(run: Run) -> str:
    return ", ".join(summary.policy for summary in run.summaries)
