"""What calibration found, as a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import relaygen
from relaygen.calibration.answers import answerer
from relaygen.calibration.choose import Choice
from relaygen.calibration.select import Rule
from relaygen.calibration.share import in_brief
from relaygen.calibration.statistics import Corpus
from relaygen.engines import fingerprint
from relaygen.problems import Split
from relaygen.profile import Answers, Doubt, Evidence, Fingerprints, Profile, Selection, Source
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL

if TYPE_CHECKING:
    from relaygen.calibration.run import Settings


def profile_of(
    relay: Relay,
    settings: Settings,
    rule: Rule,
    corpus: Corpus,
    choice: Choice,
    answers: Answers | None,
    doubt: Doubt | None,
) -> Profile:
    """The profile, with everything that is needed to judge it and to make it again; no times, no paths."""
    large, small = relay.engines[LARGE], relay.engines[SMALL]
    return Profile(
        name=settings.name,
        large=large.name,
        small=small.name,
        origin="calibrated",
        cues=choice.cues,
        match=settings.switching.match,
        chain=settings.switching.chain,
        answerer=answerer(answers),
        fingerprints=Fingerprints(large=fingerprint(large), small=fingerprint(small)),
        source=_source(relay, settings, corpus),
        selection=_selection(rule),
        predicted=choice.effect.point(len(choice.cues), disagrees=corpus.disagrees),
        answers=answers,
        doubt=doubt,
        evidence=_evidence(corpus, choice),
    )


def _source(relay: Relay, settings: Settings, corpus: Corpus) -> Source:
    common = {
        "relaygen": relaygen.__version__,
        "date": settings.date,
        "n": len(corpus.readings),
        "tokens": corpus.tokens,
        "scorer": settings.scorer,
    }
    if settings.traces:
        return Source.model_validate(common | {"task": "traces"})
    options = relay.options
    listed = settings.task.endswith(".jsonl")
    return Source.model_validate(
        common
        | {
            "task": "questions" if listed else settings.task,
            "first": settings.first,
            "problem_seed": None if listed else Split.CALIBRATION.seed,
            "seed": options.sampling.seed,
            "temperature": options.sampling.temperature,
            "top_k": options.sampling.top_k,
            "top_p": options.sampling.top_p,
            "min_p": options.sampling.min_p,
            "max_tokens": options.max_tokens,
        }
    )


def _selection(rule: Rule) -> Selection:
    if rule.select == "paper":
        return Selection(rule="paper", large_share=rule.large_share)
    return Selection(
        rule="robust",
        large_share=rule.large_share,
        min_occurrences=rule.min_occurrences,
        min_problems=rule.min_problems,
        false_discovery_rate=rule.false_discovery_rate,
        ease=rule.ease,
        confidence=rule.confidence,
    )


def _evidence(corpus: Corpus, choice: Choice) -> Evidence:
    seen = {entry.cue for entry in choice.statistics}
    points = [effect.point(cues, disagrees=corpus.disagrees) for cues, effect in in_brief(choice.steps)]
    ranked = sorted(choice.statistics, key=lambda e: (e.verdict != "selected", -e.difference, e.cue))
    return Evidence(
        frontier=tuple(points),
        unseen=tuple(c.cue for c in corpus.candidates if c.cue not in seen),
        statistics=tuple(ranked),
    )
