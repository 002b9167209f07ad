"""From cue sets to what they would do: predicted large share, expected disagreement, and the frontier between them."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from relaygen.calibration.replay import replay
from relaygen.calibration.scoring import Reading
from relaygen.calibration.sites import Offload
from relaygen.calibration.statistics import PLACES, Corpus
from relaygen.policies import Policy
from relaygen.profile import Point
from relaygen.types import LARGE, SMALL, Role

EXACT = 10  # up to so many candidates every set is tried
VARIED = 3  # how many steps before the last one other candidates are tried
DISAGREEMENTS = 4  # the column of Corpus.sums


@dataclass(frozen=True, slots=True)
class Effect:
    """What a cue set does on all traces together."""

    traces: int
    completion_tokens: int
    offloaded: int
    disagreements: float
    answered: int
    """Tokens of the answer stage that small writes."""
    switches: int

    @property
    def large_tokens(self) -> int:
        return self.completion_tokens - self.offloaded - self.answered

    @property
    def large_share(self) -> float:
        return self.large_tokens / self.completion_tokens

    def point(self, cues: int, *, disagrees: bool) -> Point:
        """As it stands in a profile, rounded; means per trace."""
        return Point(
            cues=cues,
            large_share=round(self.large_share, PLACES),
            switches=round(self.switches / self.traces, PLACES),
            offloaded=round(self.offloaded / self.traces, PLACES),
            disagreements=round(self.disagreements / self.traces, PLACES) if disagrees else None,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One step along the frontier: the cue (its number) that was added, None at the start, and the effect so far."""

    added: int | None
    effect: Effect


def effect_of(corpus: Corpus, chosen: Collection[int], answerer: Role = SMALL) -> Effect:
    """The effect of the candidates with these numbers."""
    offloads = [sites.offloads(chosen) for sites in corpus.sites]
    return _effect(corpus, offloads, answerer)


def replayed(corpus: Corpus, policy: Policy) -> Effect:
    """The effect of a whole policy, by replaying it on every trace: the definition, and slower than `effect_of`."""
    offloads, answered, switches = [], 0, 0
    for reading in corpus.readings:
        pieces = replay(policy, reading.transcript)
        inside = [p for p in pieces if p.role is SMALL and p.thinking]
        offloads.append([Offload(-1, p.start, min(p.end, len(reading))) for p in inside if p.start < len(reading)])
        answered += sum(p.end - p.start for p in pieces if p.role is SMALL and not p.thinking)
        switches += sum(a.role is not b.role for a, b in pairwise(pieces))
    return replace(_effect(corpus, offloads, SMALL), answered=answered, switches=switches)


def frontier(corpus: Corpus, pool: Iterable[int], answerer: Role = SMALL) -> list[Step]:
    """Adds candidates one after another, each time the one with the fewest disagreements per token that it offloads.

    Costs are counted given what is in the set already. Lazy: a cost is computed again only when its candidate comes
    up, as in submodular maximisation, which makes this a heuristic. Candidates that add nothing are left out.
    """
    chosen: set[int] = set()
    steps = [Step(None, effect_of(corpus, chosen, answerer))]
    queue = [(0.0, number, -1) for number in pool]  # cost, candidate, the step that the cost was computed at
    heapq.heapify(queue)
    while queue:
        _, number, computed = heapq.heappop(queue)
        effect = effect_of(corpus, chosen | {number}, answerer)
        before = steps[-1].effect
        if effect.offloaded <= before.offloaded:
            continue
        if computed == len(steps):
            chosen.add(number)
            steps.append(Step(number, effect))
        else:
            heapq.heappush(queue, (_cost(before, effect), number, len(steps)))
    return steps


def reach(
    corpus: Corpus, pool: Sequence[int], share: float, steps: Sequence[Step], answerer: Role = SMALL
) -> list[int]:
    """The candidates that bring large's share to `share` or below at the least expected disagreement.

    Every set is tried where the pool is small; else the frontier is followed, its last step varied, and what the share
    does not need dropped. When the share is out of reach, all candidates of the frontier.
    """
    path = [step.added for step in steps if step.added is not None]
    if len(pool) <= EXACT:
        sets = [list(s) for size in range(len(pool) + 1) for s in combinations(pool, size)]
    else:
        needed = next((i for i, step in enumerate(steps) if step.effect.large_share <= share), len(path))
        shorter = [path[:length] for length in range(max(needed - VARIED, 0), needed)]
        sets = [path[:needed], *([*start, n] for start in shorter for n in pool if n not in start)]
    tried = [(effect_of(corpus, s, answerer), s) for s in sets]
    fitting = [(effect.disagreements, len(s), s) for effect, s in tried if effect.large_share <= share]
    return _thinned(corpus, min(fitting)[2], share, answerer) if fitting else path


def in_brief(steps: Sequence[Step], count: int = 12) -> Iterator[tuple[int, Effect]]:
    """At most `count` points of the frontier, the first and the last among them, spread evenly over the share."""
    if len(steps) <= count:
        yield from ((i, step.effect) for i, step in enumerate(steps))
        return
    high, low = steps[0].effect.large_share, steps[-1].effect.large_share
    targets = [high + (low - high) * k / (count - 1) for k in range(count)]
    places = {min(range(len(steps)), key=lambda i: abs(steps[i].effect.large_share - t)) for t in targets}
    yield from ((i, steps[i].effect) for i in sorted(places))


def _effect(corpus: Corpus, offloads: Sequence[Sequence[Offload]], answerer: Role) -> Effect:
    sums = [corpus.sums(i, found) for i, found in enumerate(offloads)]
    answered = sum(r.rest for r in corpus.readings) if answerer is SMALL else 0
    return Effect(
        traces=len(corpus.readings),
        completion_tokens=corpus.completion_tokens,
        offloaded=int(sum(s[0] for s in sums)),
        disagreements=float(sum(s[DISAGREEMENTS] for s in sums)),
        answered=answered,
        switches=sum(map(_switches, corpus.readings, offloads, [answerer] * len(sums))),
    )


def _switches(reading: Reading, offloads: Sequence[Offload], answerer: Role) -> int:
    """Hand-overs in either direction. Large begins; small may be the one that ends the reasoning."""
    if not offloads:
        return int(answerer is SMALL and reading.rest > 0)
    last = SMALL if offloads[-1].end >= len(reading) else LARGE
    returns = len(offloads) - (last is SMALL)
    return len(offloads) + returns + int(reading.rest > 0 and answerer is not last)


def _cost(before: Effect, after: Effect) -> float:
    """Expected disagreements for each token offloaded; half a disagreement is added, so that rare cues look no better
    than they can be known to be."""
    return (after.disagreements - before.disagreements + 0.5) / (after.offloaded - before.offloaded)


def _thinned(corpus: Corpus, chosen: list[int], share: float, answerer: Role) -> list[int]:
    """Without the cues that the share does not need, as long as that costs no disagreements elsewhere: where one cue no
    longer fires another may."""
    now = effect_of(corpus, chosen, answerer)
    while True:
        fewer = [[n for n in chosen if n != number] for number in chosen]
        tried = [(effect_of(corpus, s, answerer), s) for s in fewer]
        better = [(e.disagreements, -e.offloaded, s) for e, s in tried if e.large_share <= share]
        if not better or min(better)[0] > now.disagreements:
            return chosen
        chosen = min(better)[2]
        now = effect_of(corpus, chosen, answerer)
