"""How a generation looks in a terminal: large and small each have a colour."""

from __future__ import annotations

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from relaygen.types import LARGE, SMALL, Event, Role, Trace, Written

STYLES: dict[Role, str] = {LARGE: "bold blue", SMALL: "green"}
# A terminal would obey them, so they are shown as the pictures that Unicode has for them.
CONTROLS = {c: 0x2400 + c for c in range(32) if chr(c) not in "\t\n"} | {127: 0x2421}
CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


class Stream:
    """Prints a generation as it comes: on a terminal in colour, elsewhere exactly what was written.

    The text of models is no markup and is never wrapped.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def show(self, event: Event) -> None:
        if not isinstance(event, Written) or not event.text:
            return
        if self._console.is_terminal:
            piece = Segment(event.text.translate(CONTROLS), Style.parse(STYLES[event.role]))
            self._console.print(Segments([piece]), end="", soft_wrap=True)
        else:
            self._console.file.write(event.text)
            self._console.file.flush()

    def end(self, trace: Trace) -> None:
        """Closes the line; on a terminal a summary follows, and what the trace notes."""
        if not self._console.is_terminal:
            self._console.file.write("\n")
            return
        self._console.print("\n", summary(trace), sep="")
        for note in trace.notes:
            self._console.print(Text(note, "yellow"))


def summary(trace: Trace) -> Text:
    """One line: who wrote how much, how fast."""
    usage = trace.usage
    line = Text()
    line.append(f"large {usage.large_tokens}", STYLES[LARGE]).append(" + ")
    line.append(f"small {usage.small_tokens}", STYLES[SMALL]).append(" tokens, ")
    line.append(f"large share {trace.large_share:.0%}, {trace.switches} switches, {trace.seconds:.2f} s")
    if trace.finish_reason != "stop":
        line.append(f", ended by {trace.finish_reason}", "yellow")
    return line
