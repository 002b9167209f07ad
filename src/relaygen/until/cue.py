"""Switch cues: discourse markers after which an easier segment follows (arXiv 2602.06454, section on switch cues)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relaygen.types import Ending
from relaygen.until.base import Fired, Until, View, Watch

if TYPE_CHECKING:
    from relaygen.tokenizer import Tokenizer

Match = Literal["word", "substring"]


def is_word_character(character: str) -> bool:
    """Letters, digits, and what joins the parts of a word: `double-check`, `don't`, `snake_case`."""
    return character.isalnum() or character in "_-'’"


@dataclass(frozen=True, slots=True)
class CueCondition:
    """Fires at the token that completes a cue. See `cue`."""

    cues: tuple[str, ...]
    match: Match = "word"
    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return WordCues(self.cues) if self.match == "word" else SubstringCues(self.cues)


class WordCues:
    """Whole words. A cue that ends in a letter is certain only when the next token does not go on with the word;
    that token stays in the segment (it has been paid for, and the stronger model wrote it)."""

    __slots__ = ("_bare", "_cues", "_pending")

    def __init__(self, cues: Iterable[str]) -> None:
        stripped = {c.rstrip() for c in cues} - {""}
        self._cues = tuple(sorted(stripped, key=len, reverse=True))
        self._bare = tuple(c for c in self._cues if is_word_character(c[-1]))
        self._pending = ""

    def see(self, view: View) -> Fired | None:
        new = view.new
        if not new:
            return None
        pending, self._pending = self._pending, ""
        exact = self._ending_in(view, view.text, self._cues)
        if exact and not is_word_character(exact[-1]):
            return Fired(Ending.CUE, exact)
        if pending and not view.special and not is_word_character(new[0]):
            return Fired(Ending.CUE, pending)
        self._pending = exact
        return None if exact else self._followed_within(view)

    def _followed_within(self, view: View) -> Fired | None:
        """A bare cue and what follows its word in one token, such as `Thus,` as a single token."""
        word = view.text.rstrip(",:; \t\n")
        if word == view.text or len(view.text) - len(word) >= len(view.new):
            return None
        found = self._ending_in(view, word, self._bare)
        return Fired(Ending.CUE, found) if found else None

    def _ending_in(self, view: View, text: str, cues: tuple[str, ...]) -> str:
        """The longest cue that `text` ends with, begun at a word boundary inside this segment; else nothing."""
        if not text.endswith(cues):
            return ""
        beyond = len(view.text) - view.written
        for cue in cues:
            start = len(text) - len(cue)
            if text.endswith(cue) and start >= beyond and (start == 0 or not _joins(text[start - 1], cue)):
                return cue
        return ""


def _joins(previous: str, cue: str) -> bool:
    return is_word_character(previous) and is_word_character(cue[0])


class SubstringCues:
    """The published behaviour: a cue fires wherever its characters occur, inside other words too."""

    __slots__ = ("_cues",)

    def __init__(self, cues: Iterable[str]) -> None:
        self._cues = tuple(cues)

    def see(self, view: View) -> Fired | None:
        hits = [(at, cue) for cue in self._cues if (at := _completed(view, cue)) >= 0]
        return Fired(Ending.CUE, min(hits, key=lambda h: h[0])[1]) if hits else None


def _completed(view: View, needle: str) -> int:
    """Where `needle` ends, if the newest token completed it; else -1."""
    start = max(len(view.text) - len(view.new) - len(needle) + 1, len(view.text) - view.written)
    found = view.text.find(needle, start)
    return found + len(needle) if found >= 0 else -1


def cue(cues: Iterable[str], *, match: Match = "word") -> Until:
    """Until one of `cues` has been written as a whole word (or anywhere, with `match="substring"`)."""
    return Until((CueCondition(tuple(cues), match),))
