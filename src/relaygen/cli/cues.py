"""Tables of cues, profiles and calibrations in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from relaygen.profile import CueStatistics, Doubt, Profile

if TYPE_CHECKING:
    from relaygen.calibration import Calibration

REJECTED = 15  # how many of the candidates that were not chosen a table shows
UNKNOWN = "–"


def print_calibration(found: Calibration, console: Console) -> None:
    """The cues and their statistics, the frontier, and what the choice is expected to do."""
    profile = found.profile
    console.print(statistics_table(profile))
    if len(found.choice.steps) > 1:
        console.print(_frontier_table(found))
    console.print(Text(_prediction(found)), soft_wrap=True)
    if found.answers:
        same, n = found.answers.same, found.answers.n
        who = f"{profile.answerer} answers"
        console.print(f"Answers on the same reasoning agree in {same} of {n} ({same / n:.1%}): {who}.")
    if profile.doubt:
        console.print(doubt_table(profile.doubt))
    for note in found.notes:
        console.print(Text(f"Note: {note}", "yellow"), soft_wrap=True)


def statistics_table(profile: Profile) -> Table:
    """All chosen cues, and the best of the others."""
    entries = profile.evidence.statistics if profile.evidence else ()
    chosen = [e for e in entries if e.cue in profile.cues]
    others = sorted((e for e in entries if e.cue not in profile.cues), key=lambda e: -e.difference)
    title = f"{profile.name}: chosen {len(chosen)} of {len(entries)} candidates that occur"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("cue", "verdict", "uses", "difference", "95 %", "agrees"):
        table.add_column(heading, justify="left" if heading in ("cue", "verdict") else "right", no_wrap=True)
    for entry in chosen:
        table.add_row(*_cells(entry), style="bold")
    for entry in others[:REJECTED]:
        table.add_row(*_cells(entry), style="dim")
    return table


def doubt_table(doubt: Doubt) -> Table:
    """The thresholds that the policies take from the profile, and the large share that they come to."""
    title = f"Small's margins below which large writes: {doubt.wanted:.0%} of disagreements"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("policy", "large writes", "margin below", "large share"):
        table.add_column(heading, justify="left" if heading in ("policy", "large writes") else "right")
    for policy, what, margin, share in (
        ("guarded", "that token", doubt.guarded, doubt.guarded_share),
        ("entropy-first", "that paragraph", doubt.paragraph, doubt.paragraph_share),
        ("entropy-first(step=sentence)", "that sentence", doubt.sentence, doubt.sentence_share),
    ):
        known = margin is not None and share is not None
        table.add_row(policy, what, f"{margin:.4f}" if known else UNKNOWN, f"{share:.1%}" if known else UNKNOWN)
    return table


def _cells(entry: CueStatistics) -> Sequence[Text]:
    known = entry.low is not None and entry.high is not None
    cells = (
        quoted(entry.cue),
        entry.verdict,
        str(entry.occurrences),
        f"{entry.difference:+.3f}",
        f"{entry.low:+.3f} {entry.high:+.3f}" if known else UNKNOWN,
        UNKNOWN if entry.agreement is None else f"{entry.agreement:.1%}",
    )
    return [Text(cell) for cell in cells]


def _frontier_table(found: Calibration) -> Table:
    table = Table(
        title="The frontier: adding cues, least disagreement per token first", box=SIMPLE_HEAD, pad_edge=False
    )
    for heading in ("add", "large share", "disagreements per trace", "speed-up"):
        table.add_column(heading, justify="left" if heading == "add" else "right")
    for step in found.choice.steps:
        cue = "(only the answer)" if step.added is None else quoted(found.corpus.candidates[step.added].cue)
        effect = step.effect
        speed = f"{found.pace.speedup(effect):.2f}×" if found.pace else UNKNOWN
        per_trace = effect.disagreements / effect.traces
        chosen = step.added is not None and found.corpus.candidates[step.added].cue in found.profile.cues
        table.add_row(Text(cue), f"{effect.large_share:.1%}", f"{per_trace:.3f}", speed, style="bold" if chosen else "")
    return table


def _prediction(found: Calibration) -> str:
    effect, corpus = found.choice.effect, found.corpus
    parts = [f"Predicted with these cues: large share {effect.large_share:.1%}"]
    if corpus.disagrees:
        parts.append(f"{effect.disagreements / effect.traces:.3f} disagreements per trace")
    parts.append(f"{effect.switches / effect.traces:.1f} switches per trace")
    if found.pace:
        parts.append(f"speed-up {found.pace.speedup(effect):.2f}×")
    judged = [t.solved for t in found.traces if t.solved is not None]
    solved = f" Large solved {sum(judged)} of {len(judged)}." if judged else ""
    return f"{', '.join(parts)}. From {len(corpus.readings)} traces with {corpus.tokens} reasoning tokens.{solved}"


def quoted(cue: str) -> str:
    """A cue as it is printed: with quotation marks where it ends in a blank, which would not be seen."""
    return f'"{cue}"' if cue != cue.strip() else cue


def joined(cues: Iterable[str]) -> str:
    """Cues in a line."""
    return "  ".join(map(quoted, cues)) or UNKNOWN
