"""The caller's stop texts: where the answer ends, and what must not be shown before that is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from relaygen.types import Event, Written


class StopTexts:
    """Holds events of the answer back while they may be part of a stop text, whoever wrote them.

    `found` is the stop text that was met; the completion then ends after `end` characters.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._length = 0  # characters that were written
        self._held: deque[tuple[int, Event]] = deque()  # each with how many characters must be certain for it
        self.begun = ""
        """The last characters of the answer, as far as they may begin a stop text."""
        self.found = ""
        self.end = 0

    def admit(self, event: Event) -> Sequence[Event]:
        """The events that are certain now, in order."""
        if not self._texts:
            return (event,)
        needed = self._length
        if isinstance(event, Written):
            self._length += len(event.text)
            # A token without text belongs to a character that is still to come.
            needed = self._length + (not event.text)
            if not event.thinking:
                self._look_at(event.text)
        self._held.append((needed, event))
        return self._certain()

    def rest(self) -> list[Event]:
        """What is left when nothing more comes: all, or the characters in front of the stop text."""
        left = [event for _, event in self._held]
        if not self.found:
            return left
        written = [event for event in left if isinstance(event, Written)]
        text = "".join(event.text for event in written)
        front = text[: len(text) - (self._length - self.end)]
        return [Written(written[0].role, (), front, False)] if front else []

    def _look_at(self, new: str) -> None:
        if self.found:
            return
        text = self.begun + new
        # Of stop texts that are complete at the same character the longest counts, as in `TextWatch`.
        hits = [(at + len(stop), at, stop) for stop in self._texts if (at := text.find(stop)) >= 0]
        if hits:
            _, at, self.found = min(hits)
            self.end = self._length - len(text) + at
        else:
            self.begun = text[self._beginning(text) :]

    def _beginning(self, text: str) -> int:
        """Where a stop text may have begun; the length of `text` when none has."""
        longest = max(map(len, self._texts))
        for i in range(max(0, len(text) - longest + 1), len(text)):
            if any(stop.startswith(text[i:]) for stop in self._texts):
                return i
        return len(text)

    def _certain(self) -> list[Event]:
        limit = self.end if self.found else self._length - len(self.begun)
        certain: list[Event] = []
        while self._held and self._held[0][0] <= limit:
            certain.append(self._held.popleft()[1])
        return certain
