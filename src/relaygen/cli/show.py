"""How a generation looks in a terminal: large and small each have a colour."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from relaygen.types import LARGE, SMALL, Event, Role, Trace, Written

STYLES: dict[Role, str] = {LARGE: "bold blue", SMALL: "green"}


class Stream:
    """Prints a generation as it comes. On a terminal in colour; elsewhere plain text, exactly what was written."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        if isinstance(event, Written) and event.text:
            self._console.print(Text(event.text, style=STYLES[event.role]), end="")

    def end(self, line: Text) -> None:
        """Closes the stream with a summary, on the terminal only."""
        self._console.print()
        if self._console.is_terminal:
            self._console.print(line)


def summary(trace: Trace) -> Text:
    """One line: who wrote how much, how fast."""
    usage = trace.usage
    line = Text()
    line.append(f"large {usage.large_tokens}", STYLES[LARGE]).append(" + ")
    line.append(f"small {usage.small_tokens}", STYLES[SMALL]).append(" tokens, ")
    line.append(f"large share {trace.large_share:.0%}, {trace.switches} switches, {trace.seconds:.2f} s")
    if usage.drafted:
        line.append(f", {usage.accepted / usage.drafted:.0%} of drafts accepted")
    if trace.finish_reason != "stop":
        line.append(f", ended by {trace.finish_reason}", "yellow")
    return line
