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
        console.print(_table(summaries, columns))


def print_about(about: Mapping[str, str], console: Console) -> None:
    """Names and texts, line by line."""
    for name, text in about.items():
        console.print(Text.assemble((f"{name}: ", "dim"), text), soft_wrap=True)


def _table(summaries: Sequence[Summary], columns: Sequence[Column]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column.heading, justify="left" if column is columns[0] else "right", overflow="fold")
    for summary in summaries:
        table.add_row(*(Text(column.cell(summary)) for column in columns))
    return table
