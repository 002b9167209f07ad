"""Ends of sentences and paragraphs, with the guards that plain `.!?` matching lacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relaygen.types import Ending
from relaygen.until.base import Fired, Until, View, Watch

if TYPE_CHECKING:
    from relaygen.tokenizer import Tokenizer

ENDERS = ".!?"
CLOSERS = "\"')]}*_`”’"
FULL_WIDTH = "。！？"
BLANK_LINE = re.compile(r"\n[ \t]*\n")
# Closing marks may stand between the ender and the white space that confirms it.
CONFIRMED = re.compile(rf"[{re.escape(ENDERS)}][{re.escape(CLOSERS)}]*(?=\s)")
ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'])(?:e\.g|i\.e|etc|cf|vs|viz|approx|resp|al|no|nos|fig|eq|eqs|sec|ch|pp?|vol|ed|"
    r"dr|mrs?|ms|prof|st|jr|sr)$",
    re.IGNORECASE,
)
LIST_NUMBER = re.compile(r"(?:^|\n)[\s>#*(-]*\d{1,3}$")
FACTORIAL = re.compile(r"(?:\d|\)|(?:^|[^A-Za-z])[A-Za-z])$")

Match = Literal["guarded", "substring"]


def ends_sentence(text: str, at: int) -> bool:
    """Whether the ender at `text[at]` may end a sentence, judged by what stands before it."""
    before = text[:at]
    if text[at] == "?":
        return True
    if text[at] == "!":
        return not FACTORIAL.search(before)
    return not (before.endswith(".") or ABBREVIATION.search(before) or LIST_NUMBER.search(before))


@dataclass(frozen=True, slots=True)
class SentenceCondition:
    """Fires at the end of a sentence or at a blank line. See `sentence_end`."""

    match: Match = "guarded"
    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return GuardedSentence() if self.match == "guarded" else SubstringSentence()


class GuardedSentence:
    """An ender counts when white space, a special token or the end of the text follows; the next token tells."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = False

    def see(self, view: View) -> Fired | None:
        pending, self._pending = self._pending, False
        if not view.new:
            self._pending = pending
            return None
        if pending and (view.special or view.new[0].isspace()):
            breaks = view.new.isspace() and "\n" in view.new
            return Fired(Ending.SENTENCE, "ender", give_back=0 if breaks else 1)
        if _blank_line(view):
            return Fired(Ending.SENTENCE, "blank line")
        if view.new[-1] in FULL_WIDTH or _confirmed_within(view):
            return Fired(Ending.SENTENCE, "ender")
        self._pending = self._may_end(view) and (pending or view.new.strip(CLOSERS) != "")
        return None

    @staticmethod
    def _may_end(view: View) -> bool:
        ended = view.text.rstrip(CLOSERS)
        at = len(ended) - 1
        return at >= len(view.text) - view.written and ended[at] in ENDERS and ends_sentence(view.text, at)


def _confirmed_within(view: View) -> bool:
    """The newest token holds an ender and the white space behind it, or the white space behind an earlier ender."""
    start = max(len(view.text) - len(view.new), len(view.text) - view.written)
    return any(ends_sentence(view.text, m.start()) for m in CONFIRMED.finditer(view.text, start))


def _blank_line(view: View) -> bool:
    """The newest token completed a blank line."""
    if "\n" not in view.new:
        return False
    reach = len(view.text) - len(view.new)
    return any(
        m.end() > reach for m in BLANK_LINE.finditer(view.text, max(len(view.text) - view.written, reach - 8, 0))
    )


class SubstringSentence:
    """The published behaviour: any `.`, `!`, `?` or double newline."""

    __slots__ = ()

    def see(self, view: View) -> Fired | None:
        start = max(len(view.text) - len(view.new) - 1, len(view.text) - view.written)
        if any(c in ENDERS for c in view.new) or "\n\n" in view.text[start:]:
            return Fired(Ending.SENTENCE, "substring")
        return None


@dataclass(frozen=True, slots=True)
class ParagraphCondition:
    """Fires at a blank line."""

    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return ParagraphWatch()


class ParagraphWatch:
    __slots__ = ()

    def see(self, view: View) -> Fired | None:
        return Fired(Ending.PARAGRAPH) if _blank_line(view) else None


def sentence_end(*, match: Match = "guarded") -> Until:
    """Until a sentence ends (`.` `!` `?`) or a blank line, but not inside 3.14, "e.g.", "i.e.", a list number, an
    ellipsis or a factorial. `match="substring"` stops at the bare characters, as the published code does."""
    return Until((SentenceCondition(match),))


def paragraph_end() -> Until:
    """Until a blank line has been written."""
    return Until((ParagraphCondition(),))
