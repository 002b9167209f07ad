"""One self-contained HTML page about a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relaygen.evals.browse import Entry, choose, entries
from relaygen.evals.charts import (
    Chart,
    accuracy_against_share,
    accuracy_against_time,
    margins,
    time_split,
)
from relaygen.evals.metrics import Summary
from relaygen.evals.run import Run
from relaygen.evals.tables import NOTHING, TABLES, Column, percent, span
from relaygen.pages import render

BROWSED = 200  # samples in the page, unless asked otherwise
CUES = 30  # rows of the table of cues
ALONE = ("large", "small")


def report(run: Run, *, browse: int = BROWSED) -> str:
    """The page. `browse` bounds how many samples can be looked through; 0 leaves them out."""
    policies = [summary.policy for summary in run.summaries]
    shown = entries(run.reader, choose(run.rows, browse), policies)
    return render(
        "evals/report.html.jinja",
        about=run.about,
        tables={name: table(run.summaries, columns) for name, columns in TABLES.items()},
        by_task=by_task(run.summaries),
        cues=cues(run.summaries),
        charts=_charts(run.summaries),
        margins=_margins(shown),
        entries=shown,
        samples=len({(row.sample, row.epoch) for row in run.rows}),
        planned=_planned(run),
        answers=len(run.rows),
    )


def table(summaries: Sequence[Summary], columns: Sequence[Column]) -> dict[str, Any]:
    """Headings, lines and notes of a table."""
    return {
        "heads": [column.heading for column in columns],
        "lines": [[column.cell(summary) for column in columns] for summary in summaries],
        "notes": [(column.heading, column.about) for column in columns if column.about],
    }


def by_task(summaries: Sequence[Summary]) -> dict[str, Any] | None:
    """Accuracy task by task; None when there is only one."""
    tasks = list(dict.fromkeys(task for summary in summaries for task in summary.by_task))
    if len(tasks) < 2:
        return None
    lines = [[task, *(_cell(summary, task) for summary in summaries)] for task in tasks]
    return {"heads": ["task", *(summary.policy for summary in summaries)], "lines": lines, "notes": []}


def cues(summaries: Sequence[Summary]) -> dict[str, Any] | None:
    """How often each cue handed over, policy by policy; None when none did."""
    using = [summary for summary in summaries if summary.work and summary.work.cues]
    totals: dict[str, int] = {}
    for work in (summary.work for summary in using):
        for cue, count in (work.cues if work else {}).items():
            totals[cue] = totals.get(cue, 0) + count
    if not totals:
        return None
    order = sorted(totals, key=lambda cue: -totals[cue])[:CUES]
    lines = [[cue, *(str(s.work.cues.get(cue, 0)) for s in using if s.work)] for cue in order]
    return {"heads": ["cue", *(s.policy for s in using)], "lines": lines, "notes": []}


def _cell(summary: Summary, task: str) -> str:
    found = summary.by_task.get(task)
    return f"{percent(found.value)} ({span(found.interval, digits=0)})" if found else NOTHING


def _charts(summaries: Sequence[Summary]) -> list[Chart]:
    return [accuracy_against_time(summaries), accuracy_against_share(summaries), time_split(summaries)]


def _margins(shown: Sequence[Entry]) -> Chart | None:
    """Of the trace with the most hand-overs among those of moderate length; controls only when there is no other."""
    traces = [
        (answer.result.trace, f"{answer.result.policy} on {entry.sample.id}")
        for entry in shown
        for answer in entry.answers
        if answer.result.trace and answer.result.policy not in ALONE
    ]
    readable = [(trace, title) for trace, title in traces if 0 < trace.usage.completion_tokens <= 1000] or traces
    best = max(readable, key=lambda item: (not item[1].startswith("random"), item[0].switches), default=None)
    return margins(*best) if best else None


def _planned(run: Run) -> int:
    header, extent = run.reader.header, run.reader.sessions[-1].extent
    return extent.samples * extent.epochs * len(header.settings.policies)
