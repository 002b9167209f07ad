"""Model text on a terminal and elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from relaygen.cli.show import Stream, summary
from relaygen.types import LARGE, SMALL, Ended, Ending, Role, Segment, Trace, Usage, Written

ODD = "[bold]x[/bold] :smile: \\[y] 漢字 é\t|\ttab " + "long " * 30
ESCAPES = re.compile(r"\x1b\[[\d;]*m")


def written(text: str, role: Role = LARGE) -> Written:
    return Written(role, (), text, True)


def trace(finish_reason: str = "stop", notes: tuple[str, ...] = ()) -> Trace:
    ends = {"text": "", "ending": Ending.EOS}
    segments = (Segment(role=LARGE, tokens=(1, 2), **ends), Segment(role=SMALL, tokens=(3,), **ends))  # type: ignore[arg-type]
    usage = Usage(large_tokens=2, small_tokens=1)
    return Trace(
        policy="", prompt=(), segments=segments, usage=usage, finish_reason=finish_reason, seconds=1.5, notes=notes
    )


def screen(*texts: str, terminal: bool = True, **settings: object) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=20, color_system="standard", **settings)  # type: ignore[arg-type]
    stream = Stream(console)
    for i, text in enumerate(texts):
        stream.show(written(text, (LARGE, SMALL)[i % 2]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(shown, str)
    return shown


def test_elsewhere_than_on_a_terminal_the_text_is_exactly_what_was_written() -> None:
    odd = ODD + "\x1b[31m\r\x07\x00"
    assert screen(odd, "é", terminal=False) == odd + "é"


def test_on_a_terminal_the_text_has_a_colour_and_nothing_else_changes() -> None:
    shown = screen(ODD, ODD)
    assert ESCAPES.sub("", shown) == ODD * 2
    assert shown.startswith("\x1b[1;34m[bold]x")
    assert "\x1b[32m[bold]x" in shown


def test_a_terminal_is_never_commanded_by_a_model() -> None:
    shown = ESCAPES.sub("", screen("a\x1b]0;title\x07\x1b[2J\rb\x7f\x9bc\n\td"))
    assert shown == "a␛]0;title␇␛[2J␍b␡\N{REPLACEMENT CHARACTER}c\n\td"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[\d;]*3\d", screen("a", "b"))
    assert ESCAPES.sub("", screen("a", "b")) == "ab"


def test_only_text_is_shown() -> None:
    segment = Segment(role=LARGE, tokens=(), text="never", ending=Ending.EOS)
    console = Console(file=io.StringIO())
    Stream(console).show(Ended(segment))
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_end_is_a_line_break_and_on_a_terminal_a_summary(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=90, no_color=True)
    Stream(console).end(trace(notes=("[odd] note",)))
    shown = ESCAPES.sub("", console.file.getvalue())  # type: ignore[attr-defined]
    line = "large 2 + small 1 tokens, large share 67%, 1 switches, 1.50 s\n[odd] note\n"
    assert shown == ("\n" + line if terminal else "\n")


def test_an_unusual_end_is_told() -> None:
    assert summary(trace("length")).plain.endswith("1.50 s, ended by length")
