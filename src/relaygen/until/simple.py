"""The small conditions: end of thinking, given texts, a number of tokens, a low margin."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relaygen.types import Ending
from relaygen.until.base import Fired, Until, View, Watch

if TYPE_CHECKING:
    from relaygen.tokenizer import Tokenizer

THINK_END = "</think>"


@dataclass(frozen=True, slots=True)
class ThinkEndCondition:
    """Fires at `</think>`, at once, however few tokens there are."""

    urgent: bool = True
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        special = tokenizer.id_of(THINK_END)
        return TextWatch((THINK_END,), Ending.THINK_END) if special is None else IdWatch(special)


class IdWatch:
    """`</think>` as one token of the vocabulary."""

    __slots__ = ("_id",)

    def __init__(self, token_id: int) -> None:
        self._id = token_id

    def see(self, view: View) -> Fired | None:
        return Fired(Ending.THINK_END) if view.token.id == self._id else None


@dataclass(frozen=True, slots=True)
class TextCondition:
    """Fires when one of the texts has been written."""

    texts: tuple[str, ...]
    ending: Ending = Ending.TEXT
    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return TextWatch(self.texts, self.ending)


class TextWatch:
    """Keeps as much of the segment's text as the longest of the texts can need."""

    __slots__ = ("_ending", "_reach", "_tail", "_texts")

    def __init__(self, texts: tuple[str, ...], ending: Ending) -> None:
        self._texts, self._ending = texts, ending
        self._reach = max(map(len, texts)) - 1
        self._tail = ""

    def see(self, view: View) -> Fired | None:
        window = self._tail + view.new
        found = min(((window.find(t) + len(t), t) for t in self._texts if t in window), default=None)
        self._tail = window[-self._reach :] if self._reach else ""
        return Fired(self._ending, found[1]) if found else None


@dataclass(frozen=True, slots=True)
class TokensCondition:
    """Fires at the n-th token."""

    n: int
    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return self

    def see(self, view: View) -> Fired | None:
        return Fired(Ending.TOKENS, str(self.n)) if view.count >= self.n else None


@dataclass(frozen=True, slots=True)
class MarginCondition:
    """Fires when the mean margin of the last `window` tokens falls below `threshold`."""

    threshold: float
    window: int = 1
    urgent: bool = False
    needs_top: bool = True

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return MarginWatch(self.threshold, self.window)


class MarginWatch:
    __slots__ = ("_last", "_threshold")

    def __init__(self, threshold: float, window: int) -> None:
        self._threshold = threshold
        self._last: deque[float] = deque(maxlen=window)

    def see(self, view: View) -> Fired | None:
        self._last.append(view.token.margin)
        mean = sum(self._last) / len(self._last)
        if len(self._last) == self._last.maxlen and mean < self._threshold:
            return Fired(Ending.MARGIN, f"{mean:.3f}")
        return None


def think_end() -> Until:
    """Until the reasoning stage is over."""
    return Until((ThinkEndCondition(),))


def text(*texts: str) -> Until:
    """Until one of `texts` has been written. Raises ValueError for an empty one, which would match everywhere."""
    if not texts or not all(texts):
        raise ValueError("text() needs at least one text, and none of them empty")
    return Until((TextCondition(texts),))


def tokens(n: int) -> Until:
    """Until `n` tokens have been written."""
    return Until((TokensCondition(n),))


def margin_below(threshold: float, *, window: int = 1) -> Until:
    """Until the mean margin of the last `window` tokens is below `threshold` (0 to 1)."""
    return Until((MarginCondition(threshold, window),))
