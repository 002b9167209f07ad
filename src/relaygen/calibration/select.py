"""Which candidates become cues. Two rules, and what each verdict means.

`paper`   as published: the difference is above 0. No support is asked for and no chance is ruled out.
`robust`  our default. A cue must
            occur often enough, in enough problems                                       else: rare
            have a difference whose interval, clustered by problem, is above 0            else: not easier
            stay significant when the false discovery rate over all candidates is held    else: not certain
            be one after which small disagrees at most `ease` times as often as elsewhere  else: small disagrees
            be that surely, by the upper end of the interval                              else: agreement unsure
          and add something to the others                                                 else: covered

The conditions on disagreement are not in the paper. A mean margin can be high because most tokens of a sentence are
trivial while one, a digit, decides; what then goes wrong is that small writes another digit. "Elsewhere" is the rest of
the same traces' reasoning. Small must have read the traces for that (`--scorer small` or `both`). How much disagreement
a pair bears depends on how much of it is a matter of wording, so `ease` is 1 by default: surely less than elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relaygen.calibration.candidates import covered
from relaygen.errors import UsageError
from relaygen.profile import CueStatistics
from relaygen.stats import benjamini_hochberg

Select = Literal["paper", "robust"]
SELECTED, RARE, NOT_EASIER = "selected", "rare", "not easier"
NOT_CERTAIN, COVERED = "not certain", "covered"
DISAGREES, UNSURE = "small disagrees", "agreement unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How cues are chosen. All but `select`, `large_share` and `catch` concern `robust`."""

    select: Select = "robust"
    large_share: float | None = None
    min_occurrences: int = 10
    min_problems: int = 8
    false_discovery_rate: float = 0.05
    ease: float = 1.0
    confidence: float = 0.95
    resamples: int = 2000
    catch: float = 0.9
    """The part of small's disagreements that thresholds for its margin are to catch; see `doubt`."""

    def __post_init__(self) -> None:
        if self.large_share is not None and not 0 <= self.large_share <= 1:
            raise UsageError(f"The large share must be between 0 and 1, not {self.large_share}.")
        if not 0 < self.false_discovery_rate < 1 or not 0 < self.confidence < 1:
            raise UsageError("The false discovery rate and the confidence must lie between 0 and 1.")
        if not 0 < self.catch <= 1:
            raise UsageError(f"catch must be above 0 and at most 1, not {self.catch}.")
        if self.ease <= 0:
            raise UsageError(f"ease must be above 0, not {self.ease}.")

    def supports(self, entry: CueStatistics) -> bool:
        """Whether there is enough of this candidate to judge it; `paper` asks for nothing."""
        if self.select == "paper":
            return True
        return entry.occurrences >= self.min_occurrences and entry.problems >= self.min_problems


def verdicts(entries: Sequence[CueStatistics], rule: Rule, *, match: str = "word") -> list[str]:
    """One verdict for each entry, in their order."""
    if rule.select == "paper":
        return [SELECTED if entry.difference > 0 else NOT_EASIER for entry in entries]
    tested = [entry for entry in entries if rule.supports(entry) and entry.p is not None]
    kept = benjamini_hochberg([entry.p or 0.0 for entry in tested], rule.false_discovery_rate)
    certain = {entry.cue for entry, sure in zip(tested, kept, strict=True) if sure}
    found = {entry.cue: _robust(entry, rule, certain) for entry in entries}
    if match == "word":
        chosen = [cue for cue, verdict in found.items() if verdict == SELECTED]
        found |= dict.fromkeys(covered(chosen), COVERED)
    return [found[entry.cue] for entry in entries]


def _robust(entry: CueStatistics, rule: Rule, certain: set[str]) -> str:
    if not rule.supports(entry) or entry.low is None:
        return RARE
    if entry.low <= 0:
        return NOT_EASIER
    if entry.cue not in certain:
        return NOT_CERTAIN
    if entry.disagreement is None or entry.disagreement_high is None or entry.elsewhere is None:
        return SELECTED  # small has not read the traces
    allowed = rule.ease * entry.elsewhere
    if entry.disagreement > allowed:
        return DISAGREES
    return SELECTED if entry.disagreement_high <= allowed else UNSURE
