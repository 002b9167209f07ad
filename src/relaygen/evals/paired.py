"""Comparisons on the same problems: differences, ratios, recovered gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relaygen.evals.rows import Row
from relaygen.stats import Interval, mcnemar, paired_difference, ratio_bootstrap, wilson


class Ratio(NamedTuple):
    """A ratio with its clustered bootstrap interval."""

    value: float
    interval: Interval


class Pairing(NamedTuple):
    """Rows of the same sample and epoch, side by side."""

    first: tuple[Row, ...]
    second: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """The second accuracy minus the first, over `n` pairs in which both have a score.

    `p` is McNemar's exact test over the first epoch that both have of each problem, since answers to one problem are
    not independent: `only_first` problems are right only in the first, `only_second` only in the second.
    """

    n: int
    difference: float
    interval: Interval
    only_first: int
    only_second: int
    p: float


def pair(first: Sequence[Row], second: Sequence[Row]) -> Pairing:
    """The samples and epochs that both have, in the order of the second."""
    known = {(row.sample, row.epoch): row for row in first}
    both = [(known[row.sample, row.epoch], row) for row in second if (row.sample, row.epoch) in known]
    return Pairing(tuple(a for a, _ in both), tuple(b for _, b in both))


def versus(pairing: Pairing) -> Versus | None:
    """None when no pair has two scores."""
    scored = [(a, b) for a, b in zip(*pairing, strict=True) if a.correct is not None and b.correct is not None]
    if not scored:
        return None
    first, second = [float(a.correct or 0) for a, _ in scored], [float(b.correct or 0) for _, b in scored]
    found = paired_difference(second, first, [a.sample for a, _ in scored])
    interval = found.interval
    if len({a - b for a, b in zip(first, second, strict=True)}) == 1:
        interval = _alike(found.difference, len({a.sample for a, _ in scored}))
    once = {a.sample: (a.correct, b.correct) for a, b in sorted(scored, key=lambda ab: -ab[0].epoch)}
    only_first, only_second = (sum(pair == side for pair in once.values()) for side in ((True, False), (False, True)))
    return Versus(
        n=len(scored),
        difference=found.difference,
        interval=interval,
        only_first=only_first,
        only_second=only_second,
        p=mcnemar(only_first, only_second),
    )


def _alike(difference: float, problems: int) -> Interval:
    """Resampling pairs that all differ alike knows no doubt; as many problems may still hide some that do not."""
    hidden = wilson(0, problems).high
    return Interval(max(-1.0, difference - hidden), min(1.0, difference + hidden))


def speed_up(pairing: Pairing) -> Ratio | None:
    """The first's seconds over the second's, summed over the pairs that both came to an end."""
    ended = [(a, b) for a, b in zip(*pairing, strict=True) if a.generated and b.generated]
    first, second = [a.seconds for a, _ in ended], [b.seconds for _, b in ended]
    if not sum(second):
        return None
    return Ratio(sum(first) / sum(second), ratio_bootstrap(first, second, [a.sample for a, _ in ended]))


def gap_recovered(rows: Sequence[Row], large: Sequence[Row], small: Sequence[Row]) -> Ratio | None:
    """How much of the way from small's accuracy to large's a policy goes, on what all three have scored.

    None when large is not better than small there.
    """
    scores = [
        {(r.sample, r.epoch): float(r.correct) for r in group if r.correct is not None} for group in (large, small)
    ]
    common = [r for r in rows if r.correct is not None and all((r.sample, r.epoch) in known for known in scores)]
    low = [scores[1][r.sample, r.epoch] for r in common]
    way = [float(r.correct or 0) - b for r, b in zip(common, low, strict=True)]
    gap = [scores[0][r.sample, r.epoch] - b for r, b in zip(common, low, strict=True)]
    if sum(gap) <= 0:
        return None
    return Ratio(sum(way) / sum(gap), ratio_bootstrap(way, gap, [r.sample for r in common]))
