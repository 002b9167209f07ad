"""One generation on its way out: events in, parts of the reply out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from relaygen.serve.parts import CONTENT, Part, Splitter, ToolReader
from relaygen.types import Ended, Ending, Event, Finished, Role, Segment, Token, Trace, Written

REASONS = {"repetition": "length"}  # OpenAI has no word for a generation that was cut because it went in circles


class Choice:
    """Turns events into parts. What `take` returns joins to exactly the completion, but for the tags.

    `split` separates reasoning and answer; `tools` takes calls of tools out of the answer; with `keep` parts and tokens
    are kept for a reply that goes out whole.
    """

    def __init__(self, *, split: bool, tools: bool = False, keep: bool = True) -> None:
        self.tokens: list[tuple[Role, Token]] = []
        self.calls: list[dict[str, Any]] = []
        self.parts: list[Part] = []
        self.ended: Segment | None = None
        """The last segment that ended."""
        self.trace: Trace | None = None
        self._keep = keep
        self._splitter = Splitter() if split else None
        self._reader = ToolReader() if tools else None
        self._piece = 0  # characters of the current segment that were taken
        self._taken = 0

    def take(self, event: Event) -> list[Part]:
        """The parts that this event makes certain."""
        match event:
            case Written(role, tokens, text, thinking):
                if self._keep:
                    self.tokens += [(role, token) for token in tokens]
                self._piece += len(text)
                parts = self._split(text, thinking)
            case Ended(segment):
                # Characters in front of a stop text can share a token with it: no token carries them.
                rest, self._piece, self.ended = segment.text[self._piece :], 0, segment
                parts = self._split(rest, segment.thinking)
            case Finished(trace):
                self.trace = trace
                thinking = bool(trace.segments and trace.segments[-1].thinking)
                parts = self._split(trace.text[self._taken :], thinking) + self._finish()
        if self._keep:
            self.parts += parts
        return parts

    def text(self, kind: str) -> str:
        """All kept text of one kind."""
        return "".join(part.text for part in self.parts if part.kind == kind)

    @property
    def finish_reason(self) -> str:
        """OpenAI's word for how it ended."""
        assert self.trace, "only a finished generation has a reason"
        return "tool_calls" if self.calls else REASONS.get(self.trace.finish_reason, self.trace.finish_reason)

    @property
    def stop_reason(self) -> str | None:
        """The stop text that ended it, or what else cut it short."""
        if self.ended and self.ended.ending is Ending.STOP:
            return self.ended.why
        return "repetition" if self.trace and self.trace.finish_reason == "repetition" else None

    def _split(self, text: str, thinking: bool) -> list[Part]:
        self._taken += len(text)
        if not text:
            return []
        return self._read(self._splitter.feed(text, thinking) if self._splitter else [Part(CONTENT, text)])

    def _finish(self) -> list[Part]:
        parts = self._read(self._splitter.finish()) if self._splitter else []
        if self._reader is None:
            return parts
        rest, self.calls = self._reader.finish()
        return [*parts, Part(CONTENT, rest)] if rest else parts

    def _read(self, parts: Iterable[Part]) -> list[Part]:
        """The parts without calls of tools."""
        if self._reader is None:
            return list(parts)
        shown = [Part(p.kind, self._reader.feed(p.text)) if p.kind == CONTENT else p for p in parts]
        return [part for part in shown if part.text]
