"""Replies as they go out: OpenAI's shapes for whole answers and for chunks, with the relay's block beside the usage."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from relaygen.engines import Engine
from relaygen.serve.choice import Choice
from relaygen.serve.job import Job
from relaygen.serve.parts import CONTENT, REASONING, Part
from relaygen.serve.probabilities import for_chat, for_completion
from relaygen.types import Role, Segment, Token

Reply = dict[str, Any]
SHOWN = ("role", "ending", "why", "thinking", "inserted", "overrun")  # of a segment, beside its numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One reply's constant parts. `chat` decides between the two shapes."""

    chat: bool
    id: str
    job: Job
    engines: Mapping[Role, Engine]
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, choices: Sequence[Choice]) -> Reply:
        """The reply of a request that does not stream."""
        kind = "chat.completion" if self.chat else "text_completion"
        shaped = [self._whole_choice(i, choice) for i, choice in enumerate(choices)]
        return self._head(kind) | {"choices": shaped, "usage": usage(self.job, choices)}

    def opening(self, index: int) -> list[Reply]:
        """The chunks in front of a choice's first token."""
        return [self._chunk(index, {"delta": {"role": "assistant", "content": ""}})] if self.chat else []

    def delta(self, index: int, part: Part) -> Reply:
        """A chunk with some text."""
        if not self.chat:
            return self._chunk(index, {"text": part.text})
        names = ("reasoning_content", "reasoning") if part.kind == REASONING else ("content",)
        return self._chunk(index, {"delta": dict.fromkeys(names, part.text)})

    def silent(self, index: int) -> Reply:
        """A chunk without text, for what goes beside it."""
        return self._chunk(index, {"delta": {}} if self.chat else {"text": ""})

    def closing(self, index: int, choice: Choice) -> list[Reply]:
        """The last chunks of a choice."""
        end = {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason}
        last = self.silent(index)
        last["choices"][0] |= end
        if not choice.calls:
            return [last]
        calls = [call | {"index": i} for i, call in enumerate(self._calls(index, choice))]
        return [self._chunk(index, {"delta": {"tool_calls": calls}}), last]

    def usage_chunk(self, choices: Sequence[Choice]) -> Reply:
        return self._head(self._chunk_kind) | {"choices": [], "usage": usage(self.job, choices)}

    def logprobs(self, tokens: Sequence[tuple[Role, Token]], offset: int = 0) -> Reply:
        """The log-probabilities of some tokens; `offset` is where their text begins."""
        top = self.job.top or 0
        if self.chat:
            return for_chat(self.engines, tokens, top)
        return for_completion(self.engines, tokens, top, offset)

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"

    def _head(self, kind: str) -> Reply:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.job.chosen.name}

    def _chunk(self, index: int, content: Reply) -> Reply:
        choice = {"index": index, **content, "logprobs": None, "finish_reason": None}
        return self._head(self._chunk_kind) | {"choices": [choice]}

    def _whole_choice(self, index: int, choice: Choice) -> Reply:
        shaped = {
            "index": index,
            "logprobs": None if self.job.top is None else self.logprobs(choice.tokens),
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
        if not self.chat:
            return shaped | {"text": choice.text(CONTENT)}
        reasoning = choice.text(REASONING) or None
        message = {"role": "assistant", "content": choice.text(CONTENT), "refusal": None}
        message |= {"reasoning_content": reasoning, "reasoning": reasoning}
        calls = {"tool_calls": self._calls(index, choice)} if choice.calls else {}
        return shaped | {"message": message | calls}

    def _calls(self, index: int, choice: Choice) -> list[Reply]:
        name = self.id.removeprefix("chatcmpl-")
        return [
            {"id": f"call-{name}-{index}-{i}", "type": "function", "function": call}
            for i, call in enumerate(choice.calls)
        ]


def usage(job: Job, choices: Sequence[Choice]) -> Reply:
    """Token counts over all choices; a prompt that several choices share counts once."""
    traces = [choice.trace for choice in choices if choice.trace]
    prompt = sum(trace.usage.prompt_tokens for trace in traces[:: job.n])
    completion = sum(trace.usage.completion_tokens for trace in traces)
    thought = sum(len(s.tokens) for trace in traces for s in trace.segments if s.thinking)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": thought},
        "relay": relay_block(job, choices),
    }


def relay_block(job: Job, choices: Sequence[Choice]) -> Reply:
    """Who wrote how much, over all choices. `whole` says why nothing was relayed, if so."""
    traces = [choice.trace for choice in choices if choice.trace]
    large = sum(trace.usage.large_tokens for trace in traces)
    total = sum(trace.usage.completion_tokens for trace in traces)
    return {
        "policy": job.chosen.policy.name,
        "large_tokens": large,
        "small_tokens": sum(trace.usage.small_tokens for trace in traces),
        "inserted_tokens": sum(trace.usage.inserted_tokens for trace in traces),
        "wasted_tokens": sum(trace.usage.wasted_large + trace.usage.wasted_small for trace in traces),
        "segments": sum(len(trace.segments) for trace in traces),
        "switches": sum(trace.switches for trace in traces),
        "large_share": round(large / total, 4) if total else 0.0,
        "degraded": any(trace.degraded for trace in traces),
        "seed": job.options.sampling.seed,
        "seconds": round(max((trace.seconds for trace in traces), default=0.0), 4),
        "notes": sorted({note for trace in traces for note in trace.notes}),
        "whole": job.whole or None,
    }


def segment_block(segment: Segment) -> Reply:
    """A segment without its text, for chunks: who, how it ended, how long it took (milliseconds), how sure it was."""
    shown: Reply = {name: getattr(segment, name) for name in SHOWN}
    margins = segment.margins
    sure = {"mean": round(fmean(margins), 4), "lowest": round(min(margins), 4)} if margins else None
    return shown | {"tokens": len(segment.tokens), "milliseconds": round(segment.seconds * 1000, 1), "margin": sure}
