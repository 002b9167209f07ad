"""From statistics to a cue set, by the rule that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relaygen.calibration.select import COVERED, SELECTED, Rule, verdicts
from relaygen.calibration.share import Effect, Step, frontier, reach, replayed
from relaygen.calibration.sites import Switching
from relaygen.calibration.statistics import Corpus, statistics
from relaygen.errors import UsageError
from relaygen.profile import CueStatistics
from relaygen.types import SMALL, Role

NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The cues, every candidate's statistics with its verdict, the frontier, and what the cues would have done."""

    cues: tuple[str, ...]
    statistics: tuple[CueStatistics, ...]
    steps: tuple[Step, ...]
    effect: Effect
    notes: tuple[str, ...] = ()


def choose(corpus: Corpus, rule: Rule, switching: Switching, answerer: Role = SMALL) -> Choice:
    """Applies the rule. Raises UsageError when no cue is left, or none is needed for the large share."""
    entries = statistics(corpus, confidence=rule.confidence, resamples=rule.resamples)
    found = verdicts(entries, rule, match=switching.match)
    numbers = {candidate.cue: i for i, candidate in enumerate(corpus.candidates)}
    supported = [numbers[entry.cue] for entry in entries if rule.supports(entry)]
    steps = frontier(corpus, supported, answerer) if corpus.disagrees else []
    notes: list[str] = []
    if rule.large_share is None:
        ranked = sorted(zip(entries, found, strict=True), key=lambda pair: -pair[0].difference)
        cues = [entry.cue for entry, verdict in ranked if verdict == SELECTED]
    else:
        chosen = reach(corpus, [s.added for s in steps if s.added is not None], rule.large_share, steps, answerer)
        cues = [corpus.candidates[number].cue for number in chosen]
        notes += _share_notes(entries, found, cues, steps, rule.large_share)
        found = [SELECTED if e.cue in cues else _passed_over(v) for e, v in zip(entries, found, strict=True)]
    if not cues:
        raise UsageError(_nothing_left(entries, rule, steps))
    effect = replayed(corpus, switching.policy(cues, answerer))
    judged = [e.model_copy(update={"verdict": v}) for e, v in zip(entries, found, strict=True)]
    return Choice(cues=tuple(cues), statistics=tuple(judged), steps=tuple(steps), effect=effect, notes=tuple(notes))


def _passed_over(verdict: str) -> str:
    return NOT_NEEDED if verdict == SELECTED else verdict


def _share_notes(
    entries: Sequence[CueStatistics], found: Sequence[str], cues: Sequence[str], steps: Sequence[Step], share: float
) -> list[str]:
    """What the user should know about a set that was chosen for its share."""
    notes = []
    lowest = min(step.effect.large_share for step in steps)
    if lowest > share:
        notes.append(f"A large share of {share:.0%} is out of reach: all candidates together come to {lowest:.0%}.")
    fine = (SELECTED, COVERED)
    doubtful = [e.cue for e, verdict in zip(entries, found, strict=True) if e.cue in cues and verdict not in fine]
    if doubtful:
        shown = ", ".join(doubtful[:8]) + (" and others" if len(doubtful) > 8 else "")
        notes.append(f"To reach the share, cues were taken that the rule alone would refuse: {shown}.")
    return notes


def _nothing_left(entries: Sequence[CueStatistics], rule: Rule, steps: Sequence[Step]) -> str:
    if rule.large_share is not None and steps and steps[0].effect.large_share <= rule.large_share:
        without = steps[0].effect.large_share
        return f"Without any cue large's share is {without:.0%} already; use the policy answer-only, or ask for less."
    if not entries:
        return "None of the candidates occurs in the traces; add cues of your own with --add, or discover more."
    return (
        f"None of the {len(entries)} candidates that occur passed the rule {rule.select!r}; calibrate on more "
        "problems, ask for a --large-share, or relax --ease or --min-occurrences."
    )
