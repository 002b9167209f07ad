"""What a running evaluation looks like: progress, and where the policies stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from relaygen.evals.types import Result

STEPS = 10  # lines of progress where there is no terminal


class Watch:
    """Shows results as they come: live on a terminal, a line now and then elsewhere."""

    def __init__(self, policies: Sequence[str], total: int, done: int, console: Console) -> None:
        self._console, self._policies, self._total = console, policies, total
        self._done, self._before = done, done
        self._counts: Counter[tuple[str, str]] = Counter()
        columns = TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console)
        self._bar = self._progress.add_task("", total=total, completed=done)
        self._live = Live(get_renderable=self._render, console=console, transient=True, refresh_per_second=4)

    def observe(self, result: Result) -> None:
        """Counts one result."""
        self._done += 1
        self._counts[result.policy, "done"] += 1
        self._counts[result.policy, "errors"] += result.error is not None
        self._counts[result.policy, "correct"] += bool(result.score and result.score.correct)
        self._progress.update(self._bar, completed=self._done)
        left, step = self._total - self._before, self._done - self._before
        if not self._console.is_terminal and step * STEPS // left > (step - 1) * STEPS // left:
            self._console.print(f"{self._done} of {self._total}")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False)
        for heading in ("policy", "done", "right", "errors"):
            table.add_column(heading, justify="left" if heading == "policy" else "right")
        for policy in self._policies:
            done, correct, errors = (self._counts[policy, name] for name in ("done", "correct", "errors"))
            right = f"{correct / (done - errors):.1%}" if done > errors else ""
            table.add_row(policy, str(done), right, str(errors or ""))
        return Group(table, self._progress)
