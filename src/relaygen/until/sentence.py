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
CLOSERS = "\"')]}*_`”’"  # may stand between the ender and the white space behind it
FULL_WIDTH = ("。", "！", "？")
BLANK_LINE = re.compile(r"\n[ \t]*\n\s*\Z")
NOT_IN_A_WORD = r"(?<![^\W\d_])"
# Not "no" and "p", which end sentences of reasoning more often than they abbreviate.
ABBREVIATION = re.compile(
    rf"{NOT_IN_A_WORD}(?:(?:[a-z]\.)+[a-z]|etc|cf|vs|viz|approx|resp|al|nos|fig|eqs?|sec|ch|pp|vol|ed|"
    r"dr|mrs?|ms|prof|st|jr|sr)\Z",
    re.IGNORECASE,
)
LIST_NUMBER = re.compile(r"(?:^|\n)[\s>#*(-]*\d{1,3}\Z")
END = re.compile(rf"[{ENDERS}][{re.escape(CLOSERS)}]*\s|\n\s*\n")
FACTORIAL = re.compile(rf"(?:[\d)]|{NOT_IN_A_WORD}[A-Za-z])\Z")

Match = Literal["guarded", "substring"]


def ends_sentence(text: str, at: int) -> bool:
    """Whether the ender at `text[at]` may end a sentence, judged by what stands before it."""
    before = text[:at]
    if text[at] == "?":
        return True
    if text[at] == "!":
        return not FACTORIAL.search(before)
    return not (before.endswith(".") or ABBREVIATION.search(before) or LIST_NUMBER.search(before))


def behind_sentence(text: str) -> str | None:
    """What stands behind the last end of a sentence in `text`; None where no sentence has ended."""
    ends = [end.end() for end in END.finditer(text) if end[0][0] == "\n" or ends_sentence(text, end.start())]
    return text[ends[-1] :] if ends else None


@dataclass(frozen=True, slots=True)
class SentenceCondition:
    """Fires at the end of a sentence or at a blank line. See `sentence_end`."""

    match: Match = "guarded"
    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return GuardedSentence() if self.match == "guarded" else SubstringSentence()


class GuardedSentence:
    """An ender counts when white space or a special token follows; if that is not in its own token, the next one tells.

    What follows is given back, unless it is a line break, which belongs to the sentence before it.
    """

    __slots__ = ("_behind", "_pending")

    def __init__(self) -> None:
        self._pending = False
        self._behind = 0  # tokens behind the ender, which may be parts of one character

    def see(self, view: View) -> Fired | None:
        new = view.new
        self._behind += 1
        if not new:
            return None
        pending, self._pending = self._pending, False
        if pending and (view.special or new[0].isspace()):
            breaks = "\n" in new and new.isspace()
            return Fired(Ending.SENTENCE, "ender", 0 if breaks else self._behind)
        if view.special or new[-1].isalnum():  # the common case: a sentence ends with something else
            return None
        if _blank_line(view):
            return Fired(Ending.SENTENCE, "blank line")
        if _confirmed(view) or (not new.isascii() and new.rstrip().rstrip(CLOSERS).endswith(FULL_WIDTH)):
            return Fired(Ending.SENTENCE, "ender")
        if _may_end(view, view.text):
            self._pending, self._behind = True, 0
        return None


def _may_end(view: View, text: str) -> bool:
    """Whether `text` ends with an ender of this segment, closing marks aside."""
    at = len(text.rstrip(CLOSERS)) - 1
    return at >= view.start and text[at] in ENDERS and ends_sentence(text, at)


def _confirmed(view: View) -> bool:
    """The newest token ends with white space, and what it has in front of that ends a sentence."""
    return view.new[-1].isspace() and not view.new.isspace() and _may_end(view, view.text.rstrip())


def _blank_line(view: View) -> bool:
    """The newest token completed a blank line, and ends with it."""
    return view.new[-1].isspace() and "\n" in view.new and bool(BLANK_LINE.search(view.text, view.start))


class SubstringSentence:
    """The published behaviour: any `.`, `!`, `?` or double newline."""

    __slots__ = ()

    def see(self, view: View) -> Fired | None:
        start = max(len(view.text) - len(view.new) - 1, view.start)
        if any(c in ENDERS for c in view.new) or ("\n" in view.new and "\n\n" in view.text[start:]):
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
        return Fired(Ending.PARAGRAPH) if view.new and _blank_line(view) else None


def sentence_end(*, match: Match = "guarded") -> Until:
    """Until a sentence ends (`.` `!` `?`) or a blank line, but not inside 3.14, "e.g.", "i.e.", a list number, an
    ellipsis or a factorial. `match="substring"` stops at the bare characters, as the published code does."""
    return Until((SentenceCondition(match),))


def paragraph_end() -> Until:
    """Until a blank line has been written."""
    return Until((ParagraphCondition(),))
