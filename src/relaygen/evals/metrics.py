"""From rows to numbers: one summary per policy, with intervals, paired with large on the same problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from relaygen.evals.paired import Pairing, Ratio, Versus, gap_recovered, pair, speed_up, versus
from relaygen.evals.rows import Row
from relaygen.stats import Interval, cluster_bootstrap, ratio_bootstrap, wilson
from relaygen.types import LARGE, SMALL, Role

ALONE = (LARGE.value, SMALL.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Right answers among the scored ones. Samples without a score (errors) are left out.

    `wilson` takes every answer as independent, `clustered` resamples whole problems with all their epochs; `interval`
    is the one to print. `pass_1` is the mean over problems of each problem's share of right answers.
    """

    problems: int
    correct: int
    scored: int
    pass_1: float
    wilson: Interval
    clustered: Interval

    @property
    def value(self) -> float:
        return self.correct / self.scored

    @property
    def interval(self) -> Interval:
        """Wilson's where each problem was answered once, else the clustered one.

        When all answers are alike resampling knows nothing; then Wilson's for one answer per problem.
        """
        if self.problems == self.scored:
            return self.wilson
        if 0 < self.correct < self.scored:
            return self.clustered
        return wilson(self.problems if self.correct else 0, self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds per problem, and what they are spent on. `split` holds the shares of large, small and the relay."""

    mean: float
    mean_interval: Interval
    p50: float
    p95: float
    first_token_p50: float | None
    first_token_p95: float | None
    tokens_per_second: float
    split: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Tokens and hand-overs. Counts are means per problem, but for `cues`, which are totals.

    `overrun` tokens were generated past the end of a segment; `wasted` are these and all drafts and judgements.
    `accepted` is the share of a speculative engine's drafted tokens that its large model took, None without drafts.
    """

    tokens: float
    prompt_tokens: float
    large_share: float
    large_share_interval: Interval
    segments: float
    switches: float
    overrun: float
    wasted: float
    accepted: float | None
    cues: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One policy over all its rows.

    `speed_up` is large's time over this policy's, on the same problems; `per_token` the same per token written, so
    that longer or shorter answers do not count. `ceiling` is the speed-up of a relay without any overhead at this
    large share. What can't be told (no large in the run, nothing scored) is None.
    """

    policy: str
    problems: int
    generations: int
    errors: int
    cut_off: int
    degraded: int
    accuracy: Accuracy | None
    timing: Timing | None
    work: Work | None
    versus_large: Versus | None = None
    speed_up: Ratio | None = None
    per_token: float | None = None
    ceiling: float | None = None
    gap_recovered: Ratio | None = None
    by_task: Mapping[str, Accuracy] = field(default_factory=dict)

    @property
    def ceiling_share(self) -> float | None:
        return self.speed_up.value / self.ceiling if self.speed_up and self.ceiling else None


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """One summary per policy, in the order in which they first occur."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.policy, []).append(row)
    cost = token_cost(groups)
    return [_summary(policy, groups, cost) for policy in groups]


def token_cost(groups: Mapping[str, Sequence[Row]]) -> dict[Role, float]:
    """Seconds per token of each model alone in this run.

    From the policies `large` and `small` where they ran; else from the segments that the model wrote anywhere.
    """
    cost: dict[Role, float] = {}
    for role in Role:
        alone = [row for row in groups.get(role.value, ()) if row.generated]
        if tokens := sum(row.tokens for row in alone):
            cost[role] = sum(row.seconds for row in alone) / tokens
            continue
        everywhere = [row for rows in groups.values() for row in rows if row.generated]
        if tokens := sum(_tokens(row, role) for row in everywhere):
            cost[role] = sum(_seconds(row, role) for row in everywhere) / tokens
    return cost


def ceiling(share: float, cost: Mapping[Role, float]) -> float | None:
    """The speed-up over large alone if handing over cost nothing and the length stayed the same."""
    if not cost.get(LARGE) or SMALL not in cost:
        return None
    return 1 / (share + (1 - share) * cost[SMALL] / cost[LARGE])


def accuracy(rows: Sequence[Row]) -> Accuracy | None:
    """None when no row has a score."""
    scored = [row for row in rows if row.correct is not None]
    if not scored:
        return None
    values, clusters = [float(row.correct or 0) for row in scored], [row.sample for row in scored]
    each: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        each.setdefault(cluster, []).append(value)
    correct = int(sum(values))
    return Accuracy(
        problems=len(each),
        correct=correct,
        scored=len(scored),
        pass_1=float(np.mean([np.mean(problem) for problem in each.values()])),
        wilson=wilson(correct, len(scored)),
        clustered=cluster_bootstrap(values, clusters),
    )


def _summary(policy: str, groups: Mapping[str, Sequence[Row]], cost: Mapping[Role, float]) -> Summary:
    rows = groups[policy]
    work = _work([row for row in rows if row.generated])
    timing = _timing([row for row in rows if row.generated])
    pairing = pair(groups["large"], rows) if "large" in groups else Pairing((), ())
    small = groups.get("small", ())
    return Summary(
        policy=policy,
        problems=len({row.sample for row in rows}),
        generations=len(rows),
        errors=sum(row.fault is not None for row in rows),
        cut_off=sum(row.cut_off for row in rows),
        degraded=sum(row.degraded for row in rows),
        accuracy=accuracy(rows),
        timing=timing,
        work=work,
        versus_large=versus(pairing) if policy != "large" else None,
        speed_up=speed_up(pairing),
        per_token=timing.tokens_per_second * cost[LARGE] if timing and LARGE in cost else None,
        ceiling=ceiling(work.large_share, cost) if work else None,
        gap_recovered=gap_recovered(rows, groups.get("large", ()), small) if policy not in ALONE else None,
        by_task=_by_task(rows),
    )


def _by_task(rows: Sequence[Row]) -> dict[str, Accuracy]:
    tasks = dict.fromkeys(row.task for row in rows)
    found = {task: accuracy([row for row in rows if row.task == task]) for task in tasks}
    return {task: value for task, value in found.items() if value}


def _timing(rows: Sequence[Row]) -> Timing | None:
    if not rows:
        return None
    seconds = [row.seconds for row in rows]
    first = [row.first_token for row in rows if row.first_token is not None]
    total = sum(seconds)
    parts = (sum(r.large_seconds for r in rows), sum(r.small_seconds for r in rows), sum(r.relay_seconds for r in rows))
    return Timing(
        mean=total / len(rows),
        mean_interval=cluster_bootstrap(seconds, [row.sample for row in rows]),
        p50=_percentile(seconds, 50),
        p95=_percentile(seconds, 95),
        first_token_p50=_percentile(first, 50) if first else None,
        first_token_p95=_percentile(first, 95) if first else None,
        tokens_per_second=sum(row.tokens for row in rows) / total if total else 0.0,
        split=(parts[0] / total, parts[1] / total, parts[2] / total) if total else (0.0, 0.0, 0.0),
    )


def _work(rows: Sequence[Row]) -> Work | None:
    tokens = [row.tokens for row in rows]
    if not sum(tokens):
        return None
    large, n, drafted = [row.large_tokens for row in rows], len(rows), sum(row.drafted for row in rows)
    return Work(
        tokens=sum(tokens) / n,
        prompt_tokens=sum(row.prompt_tokens for row in rows) / n,
        large_share=sum(large) / sum(tokens),
        large_share_interval=ratio_bootstrap(large, tokens, [row.sample for row in rows]),
        segments=sum(row.segments for row in rows) / n,
        switches=sum(row.switches for row in rows) / n,
        overrun=sum(row.overrun for row in rows) / n,
        wasted=sum(row.wasted_large + row.wasted_small for row in rows) / n,
        accepted=sum(row.accepted for row in rows) / drafted if drafted else None,
        cues=dict(Counter(cue for row in rows for cue in row.cues).most_common()),
    )


def _tokens(row: Row, role: Role) -> int:
    return row.large_tokens if role is LARGE else row.small_tokens


def _seconds(row: Row, role: Role) -> float:
    return row.large_seconds if role is LARGE else row.small_seconds


def _percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(values, q))
