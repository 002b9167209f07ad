"""Until: where to stop. One definition, used by the engines at run time and by calibration on recorded traces.

An `Until` is an immutable description; `Matcher` watches one segment with it, token by token. A condition may need to
see one token more to decide (is the `.` of `3.` the end of a sentence?); it then gives that token back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from relaygen.types import Ending, Token

if TYPE_CHECKING:
    from relaygen.tokenizer import Tokenizer

TAIL = 256  # characters of text that conditions may look back at


class Fired(NamedTuple):
    """What ended a segment, and how many of its last tokens do not belong to it."""

    ending: Ending
    why: str = ""
    give_back: int = 0


class View:
    """What conditions see: the newest token, the text that it completed, the tail of the text so far."""

    __slots__ = ("count", "new", "special", "text", "token", "written")

    def __init__(self, before: str) -> None:
        self.text = before[-TAIL:]
        self.new = ""
        self.written = 0  # characters of this segment within reach
        self.count = 0
        self.special = False
        self.token = Token(-1)

    def advance(self, token: Token, new: str, special: bool) -> None:
        self.token, self.new, self.special = token, new, special
        self.text = (self.text + new)[-TAIL:]
        self.written = min(self.written + len(new), len(self.text))
        self.count += 1

    @property
    def start(self) -> int:
        """Where this segment begins in `text`."""
        return len(self.text) - self.written


class Watch(Protocol):
    """The state of one condition in one segment."""

    def see(self, view: View) -> Fired | None: ...


class Condition(Protocol):
    """One reason to stop. `urgent` conditions are honoured before `min_tokens`; `needs_top` ones read margins."""

    @property
    def urgent(self) -> bool: ...

    @property
    def needs_top(self) -> bool: ...

    def watch(self, tokenizer: Tokenizer) -> Watch: ...


@dataclass(frozen=True, slots=True)
class Until:
    """A union of conditions; whichever fires first ends the segment. Combine with `|`.

    When several fire at one token the urgent ones win, then the order of the union decides.
    """

    conditions: tuple[Condition, ...]

    def __or__(self, other: Until) -> Until:
        return Until(self.conditions + tuple(c for c in other.conditions if c not in self.conditions))

    @property
    def needs_top(self) -> bool:
        return any(c.needs_top for c in self.conditions)

    @property
    def lookahead(self) -> int:
        """How many tokens at the end of a segment may turn out not to belong to it."""
        return max((getattr(c, "lookahead", 1) for c in self.conditions), default=1)

    def waits_for(self, kind: type) -> bool:
        """Whether a condition of this class is among them."""
        return any(isinstance(c, kind) for c in self.conditions)


class Matcher:
    """Watches one segment. Feed it every token once, in order; `fired` says what ended the segment, if anything did.

    `before` is the text in front of the segment, so that a word that began there is not taken for a new one. Nothing
    but urgent conditions ends the segment within its first `min_tokens` tokens.
    """

    __slots__ = ("_min_tokens", "_specials", "_stream", "_view", "_watches", "fired", "needs_top", "until")

    def __init__(self, until: Until, tokenizer: Tokenizer, *, before: str = "", min_tokens: int = 0) -> None:
        ordered = sorted(until.conditions, key=lambda c: not c.urgent)
        self._watches = [(c.watch(tokenizer).see, c.urgent) for c in ordered]
        self._specials = tokenizer.special_ids
        self._stream = tokenizer.stream()
        self._view = View(before)
        self._min_tokens = min_tokens
        self.until = until
        self.needs_top = until.needs_top
        self.fired: Fired | None = None

    def feed(self, token: Token) -> bool:
        """Looks at the next token; True when the segment is over."""
        view = self._view
        view.advance(token, self._stream.feed(token.id), token.id in self._specials)
        early = view.count <= self._min_tokens
        for see, urgent in self._watches:
            # Every condition sees every token, so that none loses its place in the text.
            fired = see(view)
            if fired and self.fired is None and (urgent or not early):
                self.fired = fired
        return self.fired is not None
