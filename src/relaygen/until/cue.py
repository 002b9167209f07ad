"""Switch cues: discourse markers after which an easier segment follows (arXiv 2602.06454, section on switch cues)."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relaygen.types import Ending
from relaygen.until.base import Fired, Until, View, Watch

if TYPE_CHECKING:
    from relaygen.tokenizer import Tokenizer

Match = Literal["word", "substring"]

# What joins the parts of a word. U+FFFD stands for bytes that are no character: they may be half a letter.
JOINERS = "_-‐‑'’\N{REPLACEMENT CHARACTER}"
MARKS = frozenset(("Mn", "Mc", "Me", "Cf"))  # accents and vowel signs, invisible joiners
SEPARATORS = string.whitespace + ',;:.!?…)]}*"'


def is_word_character(character: str) -> bool:
    """Letters, digits, accents, and what joins the parts of a word: `double-check`, `don't`, `snake_case`."""
    return character.isalnum() or character in JOINERS or unicodedata.category(character) in MARKS


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
        stripped = {c.rstrip() for c in cues}
        self._cues = tuple(sorted(stripped, key=lambda c: (-len(c), c)))
        self._bare = tuple(c for c in self._cues if is_word_character(c[-1]))
        self._pending = ""

    def see(self, view: View) -> Fired | None:
        new = view.new
        if not new:
            return None
        pending, self._pending = self._pending, ""
        if view.special:
            return None
        exact = self._ending_in(view, view.text, self._cues) if view.text.endswith(self._cues) else ""
        if exact and not is_word_character(exact[-1]):
            return Fired(Ending.CUE, exact)
        self._pending = exact  # first, as what fires now may be too early to count (`min_tokens`)
        if pending and not is_word_character(new[0]):
            return Fired(Ending.CUE, pending)
        return self._followed_within(view) if not exact and new[-1] in SEPARATORS else None

    def _followed_within(self, view: View) -> Fired | None:
        """A bare cue and what follows its word in one token, such as `Thus,` as a single token."""
        word = view.text.rstrip(SEPARATORS)
        if len(view.text) - len(word) >= len(view.new) or not word.endswith(self._bare):
            return None
        found = self._ending_in(view, word, self._bare)
        return Fired(Ending.CUE, found) if found else None

    @staticmethod
    def _ending_in(view: View, text: str, cues: tuple[str, ...]) -> str:
        """The longest cue that `text` ends with, begun at a word boundary inside this segment; else nothing."""
        for cue in cues:
            at = len(text) - len(cue)
            if text.endswith(cue) and at >= view.start and (at == 0 or not _joins(text[at - 1], cue)):
                return cue
        return ""


def _joins(previous: str, cue: str) -> bool:
    return is_word_character(previous) and is_word_character(cue[0])


class SubstringCues:
    """The published behaviour: a cue fires wherever its characters occur, inside other words too.

    Of several that one token completes, the one that ends first is named; of those that end together, the first of
    the list.
    """

    __slots__ = ("_cues", "_reach")

    def __init__(self, cues: Iterable[str]) -> None:
        self._cues = tuple(dict.fromkeys(cues))
        self._reach = max(map(len, self._cues)) - 1

    def see(self, view: View) -> Fired | None:
        border = len(view.text) - len(view.new)
        window = view.text[max(border - self._reach, view.start) :]
        candidates = [cue for cue in self._cues if cue in window]
        hits = [(end, i) for i, cue in enumerate(candidates) if (end := _completed(view, cue)) >= 0]
        return Fired(Ending.CUE, candidates[min(hits)[1]]) if hits else None


def _completed(view: View, needle: str) -> int:
    """Where `needle` ends, if the newest token completed it; else -1."""
    start = max(len(view.text) - len(view.new) - len(needle) + 1, view.start)
    found = view.text.find(needle, start)
    return found + len(needle) if found >= 0 else -1


def cue(cues: Iterable[str], *, match: Match = "word") -> Until:
    """Until one of `cues` has been written as a whole word (or anywhere, with `match="substring"`).

    Blanks at the end of a cue count with `match="substring"` only. Raises ValueError without cues or for a blank one.
    """
    listed = tuple(cues)
    if not listed or not all(map(str.strip, listed)):
        raise ValueError("cue() needs at least one cue, and none of them blank")
    return Until((CueCondition(listed, match),))
