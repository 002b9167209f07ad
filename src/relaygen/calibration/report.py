"""The page of a calibration: charts, every candidate, and some traces with their tokens shaded by margin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from relaygen.calibration.figures import charts, save
from relaygen.calibration.replay import replay
from relaygen.calibration.run import Calibration
from relaygen.calibration.scoring import Reading
from relaygen.errors import UsageError
from relaygen.files import write_text
from relaygen.pages import render, svg
from relaygen.types import SMALL

TRACES = 4
LABELS = {
    "margins": "Difference of margins by cue, with intervals",
    "frontier": "Expected disagreements over large share",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One token as the page shows it: `doubt` is 1 - margin in per cent, `other` that small would write another."""

    text: str
    doubt: int
    other: bool


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens that one model would have written; `cue` is what small took over after."""

    small: bool
    cue: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One trace of the page."""

    problem: str
    tokens: int
    offloaded: int
    spans: tuple[Span, ...]


def save_report(found: Calibration, path: Path) -> None:
    """Writes the page. Raises UsageError when that is not possible, MissingExtra without the extra `eval`."""
    drawn = {name: svg(chart, LABELS[name]) for name, chart in charts(found).items()}
    page = render(
        "calibration/report.html.jinja",
        found=found,
        profile=found.profile,
        charts=drawn,
        frontier=_frontier_rows(found),
        shown=list(_shown(found)),
        judged=[t.solved for t in found.traces if t.solved is not None],
    )
    try:
        write_text(path, page)
    except OSError as error:
        raise UsageError(f"The report {path} can't be written: {error.strerror}.") from error


def save_figures(found: Calibration, folder: Path) -> None:
    """Writes every chart as SVG and PNG. Raises as `save_report`."""
    try:
        for name, chart in charts(found).items():
            save(chart, folder, name)
    except OSError as error:
        raise UsageError(f"The charts can't be written to {folder}: {error.strerror}.") from error


def _frontier_rows(found: Calibration) -> list[dict[str, object]]:
    rows = []
    for step in found.choice.steps:
        cue = "" if step.added is None else found.corpus.candidates[step.added].cue
        effect = step.effect
        rows.append(
            {
                "cue": cue,
                "chosen": cue in found.profile.cues,
                "share": effect.large_share,
                "disagreements": effect.disagreements / effect.traces,
                "switches": effect.switches / effect.traces,
                "speedup": found.pace.speedup(effect) if found.pace else None,
            }
        )
    return rows


def _shown(found: Calibration) -> Iterator[Shown]:
    """The first trace of each task, then more in order."""
    tasks: dict[str, Reading] = {}
    for reading in found.corpus.readings:
        tasks.setdefault(reading.problem.partition("/")[0], reading)
    first = list(tasks.values())
    others = [r for r in found.corpus.readings if r not in first]
    for reading in [*first, *others][:TRACES]:
        yield _show(reading, found)


def _show(reading: Reading, found: Calibration) -> Shown:
    pieces = [p for p in replay(found.policy, reading.transcript) if p.start < len(reading)]
    spans, why = [], ""
    for piece in pieces:
        small = piece.role is SMALL
        marks = _marks(reading, range(piece.start, min(piece.end, len(reading))))
        spans.append(Span(small, why if small else "", tuple(marks)))
        why = piece.why
    offloaded = sum(len(span.marks) for span in spans if span.small)
    return Shown(reading.problem, len(reading), offloaded, tuple(spans))


def _marks(reading: Reading, positions: Sequence[int]) -> Iterator[Mark]:
    for at in positions:
        doubt = round(100 * (1 - float(reading.margins[at])))
        agrees = reading.agreements is None or bool(reading.agreements[at])
        yield Mark(reading.transcript.words(at, at + 1), min(max(doubt, 0), 100), not agrees)
