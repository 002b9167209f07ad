"""Draws docs/trace.svg: one relayed solution, coloured by who wrote what.

python scripts/picture.py docs/trace.svg
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from relaygen import Options, Relay, Sampling, Trace
from relaygen.cli.show import STYLES, summary
from relaygen.problems import problem_sets

WIDTH = 100


def draw(question: str, trace: Trace) -> str:
    """The trace as a terminal window, in SVG without outside resources."""
    console = Console(record=True, width=WIDTH, force_terminal=True, file=io.StringIO())
    console.print(Text(question, "bold"), end="\n\n")
    text = Text()
    for segment in trace.segments:
        text.append(segment.text, STYLES[segment.role])
    console.print(text)
    console.print()
    console.print(summary(trace))
    svg = console.export_svg(title="relaygen run", theme=MONOKAI, unique_id="trace")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    with Relay.open() as relay:
        question = problem_sets("products")[0][1].question
        trace = relay.generate(question, options=Options(sampling=Sampling(temperature=0.0), max_tokens=1024))
    Path(sys.argv[1]).write_text(draw(question, trace), encoding="utf-8")


if __name__ == "__main__":
    main()
