"""Planted margins give exactly the statistics that can be worked out by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from tests.calibration.planted import reading, thought

from relaygen.calibration.candidates import Candidate
from relaygen.calibration.scoring import Reading
from relaygen.calibration.sites import Sites, Switching
from relaygen.calibration.statistics import Corpus, statistics
from relaygen.profile import CueStatistics

#                     <think> counts as one token, </think> too
FIRST = thought("Let me see.", "Thus, it is 1.", "Now 2 is odd.", "Fine, then.")
SECOND = thought("Let me see.", "Thus all of it.", "That was it.")
THIRD = thought("Let me see.", "There is nothing to do.")


def corpus(readings: Sequence[Reading], cues: Iterable[str] = ("Thus", "Now", "Hence")) -> Corpus:
    listed = [Candidate(cue, "list") for cue in cues]
    names = [candidate.cue for candidate in listed]
    return Corpus(readings, [Sites(r.transcript, len(r), names, Switching()) for r in readings], listed)


def planted() -> list[Reading]:
    """Margin 0.9 in the segments of Thus, 0.2 in those of Now, 0.5 elsewhere; small doubts the digits."""
    found = []
    for problem, text in (("a", FIRST), ("b", SECOND), ("c", THIRD)):
        doubts = [m.start() for m in re.finditer(r"\d", _as_tokens(text))]
        found.append(reading(text, problem, _margins, doubts))
    return found


def _as_tokens(text: str) -> str:
    """One character for each token of the reasoning."""
    return text.partition("</think>")[0].replace("<think>", "<") + ">"


def _margins(text: str) -> list[float]:
    tokens = _as_tokens(text)
    values = [0.5] * len(tokens)
    for segment, margin in ((" it is 1.", 0.9), ("all of it.", 0.9), ("2 is odd.", 0.2)):
        at = tokens.find(segment)
        if at >= 0:
            values[at : at + len(segment)] = [margin] * len(segment)
    return values


def entry(found: Sequence[CueStatistics], cue: str) -> CueStatistics:
    return next(e for e in found if e.cue == cue)


def test_margins_inside_and_elsewhere_are_those_that_were_planted() -> None:
    thus = entry(statistics(corpus(planted())), "Thus")
    inside = 9 + 10  # " it is 1." and "all of it."
    assert (thus.occurrences, thus.traces, thus.problems, thus.tokens) == (2, 2, 2, inside)
    assert (thus.margin, thus.spread) == (0.9, 0.0)
    # The traces that contain Thus: the first has nine tokens of 0.2 after Now; the third trace does not count.
    elsewhere = len(_as_tokens(FIRST)) + len(_as_tokens(SECOND)) - inside
    off = (9 * 0.2 + (elsewhere - 9) * 0.5) / elsewhere
    assert thus.difference == pytest.approx(0.9 - off, abs=5e-5)


def test_a_comma_after_a_bare_cue_stays_with_large_and_a_word_does_too() -> None:
    now = entry(statistics(corpus(planted())), "Now")
    assert (now.occurrences, now.tokens, now.margin) == (1, len("2 is odd."), 0.2)
    assert (now.low, now.high, now.p) == (None, None, None)  # nothing can be said from one problem


def test_agreement_counts_the_tokens_that_small_would_write_too() -> None:
    found = statistics(corpus(planted()))
    thus, now = entry(found, "Thus"), entry(found, "Now")
    assert thus.agreement == pytest.approx(18 / 19, abs=5e-5)
    assert thus.disagreement == pytest.approx(1 / 19, abs=5e-5)
    assert thus.elsewhere == pytest.approx(1 / (len(_as_tokens(FIRST)) + len(_as_tokens(SECOND)) - 19), abs=5e-5)
    assert now.agreement == pytest.approx(8 / 9, abs=5e-5)


def test_a_candidate_that_never_occurs_has_no_entry() -> None:
    assert [e.cue for e in statistics(corpus(planted()))] == ["Thus", "Now"]


def test_repeats_of_a_problem_count_as_one_problem() -> None:
    repeated = [reading(SECOND, "same", _margins) for _ in range(3)]
    thus = entry(statistics(corpus(repeated)), "Thus")
    assert (thus.occurrences, thus.traces, thus.problems) == (3, 3, 1)


def test_spread_is_the_standard_deviation_over_tokens() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(size=len(_as_tokens(SECOND)))
    noisy = reading(SECOND, "a", lambda text: values.tolist())
    thus = entry(statistics(corpus([noisy])), "Thus")
    at = _as_tokens(SECOND).index("all of it.")
    inside = values[at : at + 10]
    outside = np.delete(values, range(at, at + 10))
    assert thus.margin == pytest.approx(inside.mean(), abs=5e-5)
    assert thus.spread == pytest.approx(inside.std(), abs=5e-5)
    assert thus.difference == pytest.approx(inside.mean() - outside.mean(), abs=5e-5)


def test_without_small_nothing_is_said_about_agreement() -> None:
    known = reading(SECOND, "a")
    unread = Reading("a", known.transcript, known.margins, None, None, known.rest)
    (thus,) = statistics(corpus([unread]))
    assert thus.agreement is None
    assert thus.disagreement is None
