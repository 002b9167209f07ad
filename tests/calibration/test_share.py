"""The frontier between large share and disagreement, and sets that reach a wanted share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from tests.calibration.planted import reading, thought

from relaygen.calibration.candidates import Candidate
from relaygen.calibration.scoring import Reading
from relaygen.calibration.share import effect_of, frontier, in_brief, reach, replayed
from relaygen.calibration.sites import Sites, Switching
from relaygen.calibration.statistics import Corpus
from relaygen.types import LARGE

CUES = ("Thus", "Now", "So", "Hence", "Again", "Then", "Next", "Also", "But", "Wait", "Hmm", "Okay")


def corpus(
    traces: int = 3,
    cues: Sequence[str] = CUES,
    seed: int = 0,
    switching: Switching = Switching(),  # noqa: B008 - frozen
) -> Corpus:
    """Every cue has a sentence of another length and another chance of disagreement."""
    rng = np.random.default_rng(seed)
    readings: list[Reading] = []
    for problem in range(traces):
        order = rng.permutation(len(cues))
        text = thought(*(f"Let us go on. {cues[i]} this {'really ' * int(i % 4)}is it." for i in order))
        known = reading(text, f"p{problem}")
        wrong = (rng.uniform(size=len(known)) < 0.1).astype(float)
        readings.append(Reading(known.problem, known.transcript, known.margins, 1 - wrong, wrong, known.rest))
    sites = [Sites(r.transcript, len(r), cues, switching) for r in readings]
    return Corpus(readings, sites, [Candidate(cue, "list") for cue in cues])


def test_chained_sentences_are_predicted_as_chains_and_measured_one_by_one() -> None:
    chained = Switching(chain=True)
    known = reading(thought("Let us go on. Thus it is. Now it is so. Then no cue follows. It ends."))
    cues = ("Thus", "Now")
    sites = [Sites(known.transcript, len(known), cues, chained)]
    data = Corpus([known], sites, [Candidate(cue, "list") for cue in cues])
    both = effect_of(data, {0, 1})
    assert both == replayed(data, chained.policy(cues))
    assert both.offloaded == len("it is. Now it is so.")
    assert (both.switches, data.measure(0).inside[0, 0]) == (3, len("it is."))


def test_without_cues_small_writes_the_answer_alone() -> None:
    data = corpus()
    effect = effect_of(data, set())
    assert (effect.offloaded, effect.switches) == (0, 3)
    assert effect.large_tokens == data.tokens
    assert effect_of(data, set(), LARGE).large_share == 1.0
    assert effect_of(data, set(), LARGE).switches == 0


@pytest.mark.parametrize("chosen", [(), (0,), (0, 3), tuple(range(12))])
def test_the_quick_effect_is_that_of_the_replayed_policy(chosen: tuple[int, ...]) -> None:
    data = corpus()
    for answerer in (LARGE, None):
        policy = Switching().policy([CUES[i] for i in chosen] or ["Nowhere"], *filter(None, [answerer]))
        assert effect_of(data, set(chosen), *filter(None, [answerer])) == replayed(data, policy)


def test_the_frontier_offloads_more_with_every_step_and_takes_the_cheapest_first() -> None:
    steps = frontier(corpus(), range(12))
    offloaded = [step.effect.offloaded for step in steps]
    assert offloaded == sorted(set(offloaded))
    first = steps[1].effect
    alone = [effect_of(corpus(), {i}) for i in range(12)]
    assert (first.disagreements + 0.5) / first.offloaded == min((e.disagreements + 0.5) / e.offloaded for e in alone)


def test_cues_that_add_nothing_are_not_on_the_frontier() -> None:
    known = reading(thought("Let us go on. Thus, it is. And so on."))
    cues = ("Thus", "Thus,", "Nowhere")
    sites = [Sites(known.transcript, len(known), cues, Switching())]
    data = Corpus([known], sites, [Candidate(cue, "list") for cue in cues])
    assert [step.added for step in frontier(data, range(3))] == [None, 0]


@pytest.mark.parametrize("share", [0.9, 0.8, 0.7, 0.6])
def test_few_candidates_are_tried_exhaustively(share: float) -> None:
    data = corpus(cues=CUES[:6])
    chosen = reach(data, range(6), share, frontier(data, range(6)))
    tried = [effect_of(data, s) for size in range(7) for s in combinations(range(6), size)]
    assert effect_of(data, chosen).large_share <= share
    assert effect_of(data, chosen).disagreements == min(e.disagreements for e in tried if e.large_share <= share)


@pytest.mark.parametrize("share", [0.9, 0.8, 0.7, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_following_the_frontier_reaches_the_share_at_little_more_than_the_least_cost(share: float, seed: int) -> None:
    data = corpus(seed=seed)
    chosen = reach(data, range(12), share, frontier(data, range(12)))
    best = min(
        effect.disagreements
        for size in range(13)
        for effect in (effect_of(data, s) for s in combinations(range(12), size))
        if effect.large_share <= share
    )
    assert effect_of(data, chosen).large_share <= share
    assert effect_of(data, chosen).disagreements <= best + 2
    for number in chosen:  # none of them could be spared
        without = effect_of(data, set(chosen) - {number})
        assert without.large_share > share or without.disagreements > effect_of(data, chosen).disagreements


def test_a_share_out_of_reach_gets_everything_that_helps() -> None:
    data = corpus()
    steps = frontier(data, range(12))
    assert len(reach(data, range(12), 0.01, steps)) == len(steps) - 1


def test_in_brief_keeps_both_ends() -> None:
    steps = frontier(corpus(), range(12))
    brief = list(in_brief(steps, 5))
    assert len(brief) <= 5
    assert [brief[0][0], brief[-1][0]] == [0, len(steps) - 1]


def test_a_segment_that_ends_the_thinking_needs_no_way_back() -> None:
    known = reading(thought("Let us go on. Thus it ends"))
    data = Corpus([known], [Sites(known.transcript, len(known), ["Thus"], Switching())], [Candidate("Thus", "list")])
    effect = effect_of(data, {0})
    assert effect.switches == 1
    assert effect == replayed(data, Switching().policy(["Thus"]))
