"""Tables of evaluations in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relaygen.evals.metrics import Summary
from relaygen.evals.tables import COST, QUALITY, Column


def print_run(summaries: Sequence[Summary], about: Mapping[str, str]) -> None:
    """The numbers of a run, with the configuration that they belong to."""
    console = Console(highlight=False)
    print_about(about, console)
    for columns in (QUALITY, COST):
        console.print()
        console.print(_table(summaries, columns))


def print_about(about: Mapping[str, str], console: Console) -> None:
    """Names and texts, line by line."""
    for name, text in about.items():
        console.print(Text.assemble((f"{name}: ", "dim"), text), soft_wrap=True)


def _table(summaries: Sequence[Summary], columns: Sequence[Column]) -> Table:
    return table_of([column.heading for column in columns], [[c.cell(s) for c in columns] for s in summaries])


def table_of(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    """A table that fits into 80 columns: an interval goes to a line of its own, as `(58.9…85.4)`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading == headings[0] else "right", overflow="fold")
    for line in lines:
        table.add_row(*(Text(cell.replace(" (", "\n(").replace(" to ", "…")) for cell in line))
    return table
