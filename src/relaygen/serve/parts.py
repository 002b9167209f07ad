"""A completion as it goes out: what is reasoning, what is answer, what is a call of a tool.

The tags themselves are left out; everything else goes out as it was written, blanks and line breaks too.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

REASONING, CONTENT = "reasoning", "content"
OPENING, CLOSING = "<think>", "</think>"
CALL, CALL_END = "<tool_call>", "</tool_call>"


class Part(NamedTuple):
    """Some text of one kind, REASONING or CONTENT."""

    kind: str
    text: str


class Splitter:
    """Splits a stream at the thinking tags. What may yet turn out to be a tag stays back."""

    def __init__(self) -> None:
        self._held = ""
        self._kind = REASONING
        self._begun = False

    def feed(self, text: str, thinking: bool) -> list[Part]:
        """The parts that are certain now."""
        if self._kind == CONTENT:
            return _parts(CONTENT, text)
        if not thinking:
            return [*self.finish(), *_parts(CONTENT, text)]
        self._held += text
        if not self._begun and not self._begin():
            return []
        before, tag, after = self._held.partition(CLOSING)
        if tag:
            self._kind, self._held = CONTENT, ""
            return [*_parts(REASONING, before), *_parts(CONTENT, after)]
        kept = overlap(before, CLOSING)
        self._held = before[len(before) - kept :]
        return _parts(REASONING, before[: len(before) - kept])

    def finish(self) -> list[Part]:
        """What stayed back; from here on everything is answer."""
        held, kind = self._held, self._kind
        self._held, self._kind = "", CONTENT
        return _parts(kind, held)

    def _begin(self) -> bool:
        """Drops an opening tag at the very beginning; False while it is not certain that there is one."""
        if len(self._held) < len(OPENING) and OPENING.startswith(self._held):
            return False
        self._begun, self._held = True, self._held.removeprefix(OPENING)
        return True


class ToolReader:
    """Takes the calls of tools out of an answer, in the form that Qwen and Hermes models write."""

    def __init__(self) -> None:
        self._held = ""
        self._calling = False

    def feed(self, text: str) -> str:
        """The text in front of the first call."""
        self._held += text
        if self._calling:
            return ""
        before, tag, after = self._held.partition(CALL)
        self._calling = bool(tag)
        kept = 0 if tag else overlap(before, CALL)
        self._held = tag + after if tag else before[len(before) - kept :]
        return before[: len(before) - kept]

    def finish(self) -> tuple[str, list[dict[str, Any]]]:
        """What stayed back as text, and the calls. Calls that can't be read are text: nothing is lost."""
        blocks = [block.partition(CALL_END) for block in self._held.split(CALL)[1:]]
        calls = [_call(block) for block, _, _ in blocks]
        read = [call for call in calls if call is not None]
        if not read or len(read) < len(calls):
            return self._held, []
        behind = "".join(after for _, _, after in blocks)
        return (behind if behind.strip() else ""), read


def overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:n])), 0)


def _parts(kind: str, text: str) -> list[Part]:
    return [Part(kind, text)] if text else []


def _call(block: str) -> dict[str, Any] | None:
    try:
        call = json.loads(block)
        return {"name": str(call["name"]), "arguments": json.dumps(call.get("arguments", {}), ensure_ascii=False)}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
