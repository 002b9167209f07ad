"""Ends of sentences at which the next sentence is not an easy one too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from relaygen.types import Ending
from relaygen.until.base import Fired, Until, View, Watch
from relaygen.until.cue import is_word_character
from relaygen.until.sentence import GuardedSentence

if TYPE_CHECKING:
    from relaygen.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ChainedCondition:
    """Fires at the end of a sentence, unless the next one begins with one of `cues`. See `chained_end`."""

    cues: tuple[str, ...]
    urgent: bool = False
    needs_top: bool = False

    @property
    def lookahead(self) -> int:
        """Most tokens that may be given back: a token has at least one byte, a character at most four."""
        return 4 * max(map(len, self.cues)) + 4

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return ChainedSentence(self.cues)


class ChainedSentence:
    """Reads on behind the end of a sentence until the beginning of the next one is a cue or can't become one."""

    __slots__ = ("_behind", "_cues", "_opening", "_sentence", "_waiting")

    def __init__(self, cues: tuple[str, ...]) -> None:
        self._cues = tuple(cue.rstrip() for cue in cues)
        self._sentence = GuardedSentence()
        self._waiting = False
        self._opening, self._behind = "", 0

    def see(self, view: View) -> Fired | None:
        if not self._waiting:
            return self._end(view)
        self._opening, self._behind = self._opening + view.new, self._behind + 1
        return self._decide(view)

    def _end(self, view: View) -> Fired | None:
        fired = self._sentence.see(view)
        if fired is None:
            return None
        self._waiting, self._behind = True, fired.give_back
        self._opening = view.new if fired.give_back else ""
        return self._decide(view)

    def _decide(self, view: View) -> Fired | None:
        opening = self._opening.lstrip()
        if any(_opens(opening, cue) for cue in self._cues):
            self._waiting, self._sentence = False, GuardedSentence()
            return self._end(view)  # the token that completes the cue may end the sentence too
        if not view.special and any(cue.startswith(opening) for cue in self._cues):
            return None
        return Fired(Ending.SENTENCE, "ender", self._behind)


def _opens(text: str, cue: str) -> bool:
    """Whether `text` begins with the whole cue; a bare word needs to be followed by something."""
    if not text.startswith(cue):
        return False
    rest = text[len(cue) :]
    return not is_word_character(cue[-1]) or (rest != "" and not is_word_character(rest[0]))


def chained_end(cues: tuple[str, ...]) -> Until:
    """Until a sentence ends and the next one does not begin with one of `cues` as a whole word.

    The words that were read to find out are given back.
    """
    return Until((ChainedCondition(cues),))
