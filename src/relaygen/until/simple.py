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
        return SpelledThinkEnd() if special is None else IdWatch(special)


class IdWatch:
    """`</think>` as one token of the vocabulary."""

    __slots__ = ("_id",)

    def __init__(self, token_id: int) -> None:
        self._id = token_id

    def see(self, view: View) -> Fired | None:
        return Fired(Ending.THINK_END) if view.token.id == self._id else None


class SpelledThinkEnd:
    """`</think>` in a vocabulary that spells it; it may have begun in front of the segment."""

    __slots__ = ()

    def see(self, view: View) -> Fired | None:
        reach = len(view.new) + len(THINK_END) - 1
        return Fired(Ending.THINK_END) if view.new and THINK_END in view.text[-reach:] else None


@dataclass(frozen=True, slots=True)
class TextCondition:
    """Fires when one of the texts has been written. One may have begun in `written`, in front of the segment."""

    texts: tuple[str, ...]
    ending: Ending = Ending.TEXT
    written: str = ""
    urgent: bool = False
    needs_top: bool = False

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return TextWatch(self)


class TextWatch:
    """Keeps as much text as the longest of the texts can need. Of two that end together it names the longer."""

    __slots__ = ("_condition", "_reach", "_tail")

    def __init__(self, condition: TextCondition) -> None:
        self._condition = condition
        self._reach = max(map(len, condition.texts)) - 1
        self._tail = self._end_of(condition.written)

    def see(self, view: View) -> Fired | None:
        window = self._tail + view.new
        hits = [(at + len(text), at, text) for text in self._condition.texts if (at := window.find(text)) >= 0]
        self._tail = self._end_of(window)
        return Fired(self._condition.ending, min(hits)[2]) if hits else None

    def _end_of(self, window: str) -> str:
        return window[-self._reach :] if self._reach else ""


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
    """Fires when the mean margin of the last `window` tokens falls below `threshold`. See `margin_below`."""

    threshold: float
    window: int = 1
    drop: bool = False
    urgent: bool = False
    needs_top: bool = True

    @property
    def lookahead(self) -> int:
        return self.window if self.drop else 1

    def watch(self, tokenizer: Tokenizer) -> Watch:
        return MarginWatch(self)


class MarginWatch:
    __slots__ = ("_condition", "_last")

    def __init__(self, condition: MarginCondition) -> None:
        self._condition = condition
        self._last: deque[float] = deque(maxlen=condition.window)

    def see(self, view: View) -> Fired | None:
        self._last.append(view.token.margin)
        mean = sum(self._last) / len(self._last)
        if len(self._last) < self._condition.window or mean >= self._condition.threshold:
            return None
        return Fired(Ending.MARGIN, f"{mean:.3f}", self._doubtful if self._condition.drop else 0)

    @property
    def _doubtful(self) -> int:
        """How many tokens there are from the first doubtful one of the window on."""
        sure = next(i for i, margin in enumerate(self._last) if margin < self._condition.threshold)
        return len(self._last) - sure


def think_end() -> Until:
    """Until the reasoning stage is over."""
    return Until((ThinkEndCondition(),))


def text(*texts: str) -> Until:
    """Until one of `texts` has been written. Raises ValueError for an empty one, which would match everywhere."""
    if not texts or not all(texts):
        raise ValueError("text() needs at least one text, and none of them empty")
    return Until((TextCondition(texts),))


def tokens(n: int) -> Until:
    """Until `n` tokens have been written. Raises ValueError when `n` is below 1."""
    if n < 1:
        raise ValueError(f"tokens() needs at least 1, not {n}")
    return Until((TokensCondition(n),))


def margin_below(threshold: float, *, window: int = 1, drop: bool = False) -> Until:
    """Until the mean margin of the last `window` tokens is below `threshold` (0 to 1).

    With `drop` the tokens from the first doubtful one of the window on are given back, even where they end the
    thinking. Raises ValueError when `window` is below 1.
    """
    if window < 1:
        raise ValueError(f"margin_below() needs a window of at least 1 token, not {window}")
    return Until((MarginCondition(threshold, window, drop, urgent=drop),))
