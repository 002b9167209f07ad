"""Which cues are chosen, and how rarely one without any effect is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.calibration.planted import thought, transcript

from relaygen.calibration.candidates import Candidate
from relaygen.calibration.scoring import Reading
from relaygen.calibration.select import Rule, verdicts
from relaygen.calibration.sites import Sites, Switching
from relaygen.calibration.statistics import Corpus, statistics
from relaygen.errors import UsageError
from relaygen.profile import CueStatistics


def candidate(cue: str = "Thus", **changes: Any) -> CueStatistics:
    """One that passes every condition."""
    good: dict[str, Any] = {
        "verdict": "",
        "occurrences": 50,
        "traces": 30,
        "problems": 30,
        "tokens": 500,
        "margin": 0.9,
        "spread": 0.1,
        "difference": 0.2,
        "low": 0.1,
        "high": 0.3,
        "p": 1e-6,
        "agreement": 0.99,
        "disagreement": 0.01,
        "disagreement_high": 0.02,
        "elsewhere": 0.1,
    }
    return CueStatistics(cue=cue, **good | changes)


def test_a_cue_that_passes_every_condition_is_selected() -> None:
    assert verdicts([candidate()], Rule()) == ["selected"]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"occurrences": 9}, "rare"),
        ({"problems": 7}, "rare"),
        ({"low": None, "high": None, "p": None}, "rare"),
        ({"low": -0.01}, "not easier"),
        ({"p": 0.2}, "not certain"),
        ({"disagreement": 0.11, "disagreement_high": 0.2}, "small disagrees"),
        ({"disagreement_high": 0.11}, "agreement unsure"),
        ({"disagreement": None, "disagreement_high": None}, "selected"),  # small did not read
    ],
)
def test_robust_refuses_for_one_reason(changes: dict[str, Any], verdict: str) -> None:
    assert verdicts([candidate(**changes)], Rule()) == [verdict]


def test_a_high_mean_margin_does_not_outweigh_poor_agreement() -> None:
    digits = candidate("Units", margin=0.98, difference=0.3, low=0.28, disagreement=0.09, disagreement_high=0.11)
    assert verdicts([digits], Rule()) == ["agreement unsure"]
    assert verdicts([digits], Rule(ease=0.5)) == ["small disagrees"]
    assert verdicts([digits], Rule(select="paper")) == ["selected"]


def test_a_cue_that_a_shorter_one_makes_unreachable_is_left_out() -> None:
    found = verdicts([candidate("Thus,"), candidate("Thus"), candidate("Now,")], Rule())
    assert found == ["covered", "selected", "selected"]


def test_a_cue_is_not_covered_by_one_that_was_refused() -> None:
    assert verdicts([candidate("Thus,"), candidate("Thus", low=-1.0)], Rule()) == ["selected", "not easier"]


def test_the_false_discovery_rate_is_held_over_all_candidates() -> None:
    nothing = [candidate(f"w{i}", p=0.5) for i in range(60)]
    alone = verdicts([candidate("Thus", p=0.01)], Rule())
    among_many = verdicts([candidate("Thus", p=0.01), *nothing], Rule())
    assert (alone[0], among_many[0]) == ("selected", "not certain")


def test_paper_takes_whatever_is_above_zero() -> None:
    rare = candidate("Thus", occurrences=1, problems=1, p=None, low=None, high=None, difference=0.0001)
    assert verdicts([rare, candidate("Now", difference=0.0)], Rule(select="paper")) == ["selected", "not easier"]


@pytest.mark.parametrize("changes", [{"large_share": 1.2}, {"false_discovery_rate": 0.0}, {"ease": 0}])
def test_settings_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Rule(**changes)


class Simulation:
    """Traces of 24 problems in which Thus is easy and Hence exactly as hard as the rest, on average over problems.

    Problems differ in hardness and so do Hence's segments; neither is known to the rule.
    """

    cues = ("Thus", "Hence")
    sentences = ("Let me see.", "Thus it is done.", "We go on with it.", "Hence it is so.", "And again we go.") * 2
    ease = 0.2  # hardness after Thus, relative to other tokens

    def __init__(self) -> None:
        script = transcript(thought(*self.sentences))
        self.length = script.reasoning_length
        sites = Sites(script, self.length, self.cues, Switching())
        self.offloads = sites.offloads({0, 1})
        self.script, self.sites = script, [sites] * 24
        thus, hence = (sum(o.end - o.start for o in self.offloads if o.cue == cue) for cue in (0, 1))
        self.average = 1 - (1 - self.ease) * thus / (self.length - hence)  # relative hardness of all but Hence

    def verdicts(self, seed: int, rule: Rule) -> dict[str, str]:
        rng = np.random.default_rng(seed)
        readings = [self._reading(f"p{i}", rng) for i in range(len(self.sites))]
        corpus = Corpus(readings, self.sites, [Candidate(cue, "list") for cue in self.cues])
        entries = statistics(corpus, resamples=500)
        return {e.cue: v for e, v in zip(entries, verdicts(entries, rule), strict=True)}

    def _reading(self, problem: str, rng: np.random.Generator) -> Reading:
        hardness = np.full(self.length, rng.uniform(0.1, 0.4))
        for offload in self.offloads:
            factor = self.ease if offload.cue == 0 else self.average * rng.uniform(0.4, 1.6)
            hardness[offload.start : offload.end] *= factor
        margins = 1 - hardness + rng.normal(0, 0.1, self.length)
        wrong = (rng.uniform(size=self.length) < hardness / 2).astype(float)
        return Reading(problem, self.script, margins, 1 - wrong, wrong, 9)


@pytest.mark.parametrize("rule", [Rule(), Rule(ease=100.0)], ids=["as it is", "by margins alone"])
def test_a_cue_without_effect_is_hardly_ever_selected(rule: Rule) -> None:
    simulation, seeds = Simulation(), 200
    found = [simulation.verdicts(seed, rule) for seed in range(seeds)]
    chosen = {cue: sum(verdict[cue] == "selected" for verdict in found) for cue in Simulation.cues}
    assert chosen["Thus"] >= 0.95 * seeds
    assert chosen["Hence"] <= 0.05 * seeds


def test_the_published_rule_takes_a_cue_without_effect_half_of_the_time() -> None:
    simulation, seeds = Simulation(), 200
    chosen = sum(simulation.verdicts(seed, Rule(select="paper"))["Hence"] == "selected" for seed in range(seeds))
    assert 0.35 * seeds <= chosen <= 0.65 * seeds
