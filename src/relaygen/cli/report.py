"""`relaygen report`: an evaluation as one HTML page and as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from relaygen.cli.tables import print_run
from relaygen.errors import UsageError
from relaygen.evals.report import BROWSED
from relaygen.evals.report import report as page
from relaygen.evals.run import Run
from relaygen.evals.tables import TABLES, as_csv, as_markdown

Switch = Annotated[bool, Parameter(negative=())]


def report(
    run: Path, *, html: Path | None = None, browse: int = BROWSED, csv: Switch = False, markdown: Switch = False
) -> None:
    """Write the report of an evaluation.

    Parameters
    ----------
    run: Path
        The folder of the run, or its log.
    html: Path
        Where the page goes; by default report.html in the run's folder.
    browse: int
        How many samples can be looked through in the page; errors and disagreements come first.
    csv: bool
        Print all numbers as CSV and write no page.
    markdown: bool
        Print the tables as Markdown and write no page.
    """
    found = Run.read(run)
    if csv:
        print(as_csv(found.summaries), end="")
    elif markdown:
        print(_markdown(found), end="")
    else:
        _write(html or found.reader.path.with_name("report.html"), page(found, browse=browse))
        print_run(found.summaries, found.about)


def _markdown(found: Run) -> str:
    about = "\n".join(f"* {name}: {text}" for name, text in found.about.items())
    tables = "\n".join(f"**{name}**\n\n{as_markdown(found.summaries, part)}" for name, part in TABLES.items())
    return f"{tables}\n{about}\n"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The report {path} can't be written: {error.strerror}.") from error
    Console(stderr=True, highlight=False).print(f"Wrote {path}.", soft_wrap=True)
