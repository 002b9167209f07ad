"""The samples of a report that a person can look through: which ones, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relaygen.evals.reading import LogReader
from relaygen.evals.rows import Row
from relaygen.evals.types import Result, Sample
from relaygen.types import Segment, Trace

LONGEST = 20_000  # characters of one answer; from longer ones the middle is left out

Unit = tuple[str, int]  # sample and epoch


class Piece(NamedTuple):
    """Text in the colour of who wrote it; `about` shows up under the pointer."""

    css: str
    text: str
    about: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one policy made of a sample."""

    result: Result
    pieces: tuple[Piece, ...]

    @property
    def verdict(self) -> str:
        if self.result.score is None:
            return "error"
        return "right" if self.result.score.correct else "wrong"


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample and all that was made of it."""

    sample: Sample
    epoch: int
    answers: tuple[Answer, ...]

    @property
    def kinds(self) -> list[str]:
        """What to filter by: error, wrong (anybody), split (not all the same)."""
        verdicts = {answer.verdict for answer in self.answers}
        split = ["split"] if {"right", "wrong"} <= verdicts else []
        return [*(kind for kind in ("error", "wrong") if kind in verdicts), *split]


def choose(rows: Iterable[Row], count: int) -> set[Unit]:
    """Which samples to show when not all fit: errors first, then where policies disagree, then wrong ones."""
    verdicts: dict[Unit, set[bool | None]] = {}
    for row in rows:
        verdicts.setdefault((row.sample, row.epoch), set()).add(row.correct)

    def rank(found: set[bool | None]) -> int:
        return 0 if None in found else 1 if len(found) > 1 else 2 if False in found else 3

    return set(sorted(verdicts, key=lambda unit: rank(verdicts[unit]))[:count])


def entries(reader: LogReader, chosen: set[Unit], policies: Sequence[str]) -> list[Entry]:
    """The chosen samples in the order of the log, each with its answers in the order of the policies."""
    kept: dict[Unit, dict[str, Result]] = {}
    for result in reader.results():
        if (result.sample.id, result.epoch) in chosen:
            kept.setdefault((result.sample.id, result.epoch), {})[result.policy] = result
    return [_entry(unit, found, policies) for unit, found in kept.items()]


def pieces(trace: Trace, longest: int = LONGEST) -> tuple[Piece, ...]:
    """The text of a trace, segment by segment."""
    total = sum(len(segment.text) for segment in trace.segments)
    if total <= longest:
        return tuple(_piece(number, segment, segment.text) for number, segment in enumerate(trace.segments, 1))
    head, tail = longest // 2, total - longest // 2
    gap = Piece("faint", f"\n… {tail - head} characters left out …\n", "the log has them")
    return (*_within(trace, 0, head), gap, *_within(trace, tail, total))


def _entry(unit: Unit, found: dict[str, Result], policies: Sequence[str]) -> Entry:
    order = [found[policy] for policy in policies if policy in found]
    answers = tuple(Answer(result, pieces(result.trace) if result.trace else ()) for result in order)
    return Entry(order[0].sample, unit[1], answers)


def _within(trace: Trace, start: int, end: int) -> list[Piece]:
    """The pieces of the characters from `start` to `end`."""
    found, at = [], 0
    for number, segment in enumerate(trace.segments, 1):
        text = segment.text[max(0, start - at) : max(0, end - at)]
        if text:
            found.append(_piece(number, segment, text))
        at += len(segment.text)
    return found


def _piece(number: int, segment: Segment, text: str) -> Piece:
    why = f" {segment.why!r}" if segment.why else ""
    about = f"segment {number}: {segment.role}, {len(segment.tokens)} tokens, {segment.seconds:.2f} s, "
    css = f"{segment.role} inserted" if segment.inserted else segment.role.value
    return Piece(css, text, f"{about}ended by {segment.ending}{why}")
