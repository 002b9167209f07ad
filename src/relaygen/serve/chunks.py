"""The chunks of a streamed reply, and server-sent events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from starlette.types import Send

from relaygen.serve.choice import Choice
from relaygen.serve.parts import Part
from relaygen.serve.replies import Format, Reply, segment_block
from relaygen.serve.wire import Asked
from relaygen.types import Ended, Event, Finished, Segment, Written

DONE = b"data: [DONE]\n\n"
TYPE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no"}


class Chunks:
    """Turns the events of a request's choices into chunks."""

    def __init__(self, form: Format, asked: Asked) -> None:
        self._form, self._relay = form, asked.shows_relay
        self._begun: set[int] = set()
        self._offsets: Counter[int] = Counter()

    def of(self, index: int, choice: Choice, event: Event, parts: Iterable[Part]) -> list[Reply]:
        """The chunks for one event, most often none or one."""
        chunks = [self._form.delta(index, part) for part in parts]
        match event:
            case Written():
                chunks = self._written(index, event, chunks)
            case Ended(segment) if self._relay and (segment.tokens or segment.text):
                chunks.append(self._form.silent(index) | {"relay": self._segment(segment)})
            case Finished():
                chunks += self._form.closing(index, choice)
        if chunks and index not in self._begun:
            self._begun.add(index)
            chunks = self._form.opening(index) + chunks
        return chunks

    def _written(self, index: int, event: Written, chunks: list[Reply]) -> list[Reply]:
        if self._form.job.top is not None:
            chunks = chunks or [self._form.silent(index)]
            tokens = [(event.role, token) for token in event.tokens]
            chunks[0]["choices"][0]["logprobs"] = self._form.logprobs(tokens, self._offsets[index])
            self._offsets[index] += len(event.text)
        if self._relay:
            for i, chunk in enumerate(chunks):
                count = 0 if i else len(event.tokens)
                chunk["relay"] = {"role": event.role, "thinking": event.thinking, "tokens": count}
        return chunks

    def _segment(self, segment: Segment) -> Reply:
        return {"role": segment.role, "thinking": segment.thinking, "segment": segment_block(segment)}


class EventStream:
    """Writes server-sent events; the response begins with the first of them."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self.begun = False
        self._send, self._headers = send, {**TYPE, **headers}

    async def send(self, replies: Sequence[Reply]) -> None:
        """One event for each reply, in one piece. Waits while the client is slow to read."""
        if replies:
            await self._write(b"".join(_framed(reply) for reply in replies), more=True)

    async def end(self) -> None:
        await self._write(DONE, more=False)

    async def _write(self, body: bytes, more: bool) -> None:
        if not self.begun:
            self.begun = True
            raw = [(name.encode(), value.encode("latin-1")) for name, value in self._headers.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": raw})
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _framed(reply: Reply) -> bytes:
    return b"data: " + json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
