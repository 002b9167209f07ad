"""`relaygen compare`: two evaluations, policy by policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from relaygen.cli.tables import print_about, table_of
from relaygen.evals.compare import Comparison, what_differs
from relaygen.evals.compare import compare as compared
from relaygen.evals.metrics import Accuracy
from relaygen.evals.run import Run
from relaygen.evals.tables import NOTHING, p_value, percent, ratio, span

HEADINGS = ("policy", "problems", "A", "B", "B − A", "p", "time A / B")


def compare(a: Path, b: Path, *, markdown: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Compare two evaluations on the problems that both have.

    Parameters
    ----------
    a: Path
        The folder of the first run, or its log.
    b: Path
        The folder of the second.
    markdown: bool
        Print the table as Markdown.
    """
    first, second = Run.read(a), Run.read(b)
    lines = [_cells(comparison) for comparison in compared(first, second)]
    differences = what_differs(first, second)
    if markdown:
        print(_markdown(lines, differences))
        return
    console = Console(highlight=False)
    print_about({"A": str(a), "B": str(b)}, console)
    console.print(table_of(HEADINGS, lines))
    for difference in differences:
        console.print(difference, soft_wrap=True, markup=False)


def _cells(c: Comparison) -> list[str]:
    difference = f"{100 * c.versus.difference:+.1f} ({span(c.versus.interval, signed=True)})" if c.versus else NOTHING
    p = p_value(c.versus.p) if c.versus else NOTHING
    return [c.policy, str(c.problems), _accuracy(c.first), _accuracy(c.second), difference, p, ratio(c.speed_up)]


def _accuracy(accuracy: Accuracy | None) -> str:
    return f"{percent(accuracy.value)} ({span(accuracy.interval)})" if accuracy else NOTHING


def _markdown(lines: Sequence[Sequence[str]], differences: Sequence[str]) -> str:
    rows = [HEADINGS, ["---", *["---:"] * (len(HEADINGS) - 1)], *lines]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(filter(None, [table, "\n".join(f"* {difference}" for difference in differences)]))
