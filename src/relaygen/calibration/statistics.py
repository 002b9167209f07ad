"""Each candidate's statistics, as if it were the only cue: margins in its segments against everything else.

The paper's measure (arXiv 2602.06454; methods in docs/calibration.md): m = p(top-1) - p(top-2) under the scorer, the
mean over all segments of the cue minus the mean over every other position of the traces that contain it. Ours differs
from the published code where that is broken: segments are the policy's own, the prompt is not part of "everything
else", and neither is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaygen.calibration.candidates import Candidate
from relaygen.calibration.scoring import Floats, Reading
from relaygen.calibration.significance import difference_interval, difference_p_value, upper_rate
from relaygen.calibration.sites import Offload, Sites
from relaygen.profile import CueStatistics

PLACES = 4  # decimals in a profile
COLUMNS = 5  # tokens, margins, squared margins, agreements, disagreements


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Sums over one cue's segments, and over the rest of the same traces: [problems, COLUMNS] each."""

    inside: Floats
    outside: Floats
    occurrences: int
    traces: int

    @property
    def problems(self) -> int:
        return len(self.inside)


class Corpus:
    """All readings with all candidates' sites: what statistics and selection are computed from."""

    def __init__(self, readings: Sequence[Reading], sites: Sequence[Sites], candidates: Sequence[Candidate]) -> None:
        self.readings, self.sites, self.candidates = tuple(readings), tuple(sites), tuple(candidates)
        self.tokens = sum(len(r) for r in readings)
        self.completion_tokens = sum(len(r) + r.rest for r in readings)
        self._cumulated = [_cumulated(r) for r in readings]

    @property
    def disagrees(self) -> bool:
        """Whether it is known what small would write."""
        return all(r.disagreements is not None for r in self.readings)

    def sums(self, trace: int, offloads: Sequence[Offload]) -> Floats:
        """Sums over these segments of a trace: [COLUMNS]."""
        starts, ends = [o.start for o in offloads], [o.end for o in offloads]
        found: Floats = (self._cumulated[trace][ends] - self._cumulated[trace][starts]).sum(axis=0)
        return found

    def measure(self, number: int) -> Measured:
        """The sums of one candidate, used alone."""
        inside: dict[str, Floats] = {}
        outside: dict[str, Floats] = {}
        occurrences = traces = 0
        for i, (reading, sites) in enumerate(zip(self.readings, self.sites, strict=True)):
            offloads = sites.offloads({number}, alone=True)
            if not offloads:
                continue
            sums = self.sums(i, offloads)
            key, nothing = reading.problem, np.zeros(COLUMNS)
            inside[key] = inside.get(key, nothing) + sums
            outside[key] = outside.get(key, nothing) + self._cumulated[i][-1] - sums
            occurrences, traces = occurrences + len(offloads), traces + 1
        return Measured(_stacked(inside), _stacked(outside), occurrences, traces)


def statistics(corpus: Corpus, *, confidence: float = 0.95, resamples: int = 2000) -> list[CueStatistics]:
    """One entry for each candidate that occurs, in the order of the candidates. The verdict is still open."""
    measured = [(c, corpus.measure(i)) for i, c in enumerate(corpus.candidates)]
    return [_statistics(c, m, corpus.disagrees, confidence, resamples) for c, m in measured if m.occurrences]


def _statistics(
    candidate: Candidate, measured: Measured, disagrees: bool, confidence: float, resamples: int
) -> CueStatistics:
    inside, outside = measured.inside.sum(axis=0), measured.outside.sum(axis=0)
    n, margin = inside[0], inside[1] / inside[0]
    interval, p_value = None, None
    if measured.problems > 1 and outside[0]:
        margins = measured.inside[:, [1, 0]], measured.outside[:, [1, 0]]
        interval = difference_interval(*margins, confidence=confidence, resamples=resamples)
        p_value = difference_p_value(*margins)
    known = _agreement(measured, confidence, resamples) if disagrees else {}
    return CueStatistics(
        cue=candidate.cue,
        origin=candidate.origin,
        verdict="",
        occurrences=measured.occurrences,
        traces=measured.traces,
        problems=measured.problems,
        tokens=int(n),
        margin=_rounded(margin),
        spread=_rounded(np.sqrt(max(inside[2] / n - margin**2, 0.0))),
        difference=_rounded(margin - outside[1] / outside[0] if outside[0] else 0.0),
        low=_rounded(interval.low) if interval else None,
        high=_rounded(interval.high) if interval else None,
        p=float(f"{p_value:.3g}") if p_value is not None else None,
        **known,
    )


def _agreement(measured: Measured, confidence: float, resamples: int) -> dict[str, float | None]:
    inside, outside = measured.inside.sum(axis=0), measured.outside.sum(axis=0)
    above = upper_rate(measured.inside[:, [4, 0]], confidence=confidence, resamples=resamples)
    return {
        "agreement": _rounded(inside[3] / inside[0]),
        "disagreement": _rounded(inside[4] / inside[0]),
        "disagreement_high": _rounded(above),
        "elsewhere": _rounded(outside[4] / outside[0]) if outside[0] else None,
    }


def _cumulated(reading: Reading) -> Floats:
    """Running sums with a zero in front: [tokens + 1, COLUMNS]."""
    unknown = np.zeros(len(reading))
    agreements = unknown if reading.agreements is None else reading.agreements
    disagreements = unknown if reading.disagreements is None else reading.disagreements
    rows = (np.ones(len(reading)), reading.margins, reading.margins**2, agreements, disagreements)
    return np.concatenate([np.zeros((1, COLUMNS)), np.cumsum(np.stack(rows, axis=1), axis=0)])


def _stacked(sums: dict[str, Floats]) -> Floats:
    return np.stack([sums[key] for key in sorted(sums)]) if sums else np.zeros((0, COLUMNS))


def _rounded(value: float | NDArray[np.float64]) -> float:
    return round(float(value), PLACES) + 0.0  # no negative zero
