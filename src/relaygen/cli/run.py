"""`relaygen run`: one question, one answer, streamed in the colours of who wrote it."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Annotated

import anyio
from cyclopts import Parameter

from relaygen.cli.flags import Json, RelayFlags
from relaygen.cli.show import STYLES, Stream, summary
from relaygen.errors import UsageError
from relaygen.relay import Relay
from relaygen.traces import trace_to_json
from relaygen.types import Finished, Trace


def run(
    question: str,
    *,
    policy: str | None = None,
    stop: Annotated[list[str] | None, Parameter(negative=())] = None,
    thinking: bool | None = None,
    json: Json = False,
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Answer one question with two models.

    Parameters
    ----------
    question: str
        What to ask; `-` reads it from standard input.
    policy: str
        Who writes what: relaygen (the default), large+speculative, …; `relaygen policies` lists all.
    stop: list[str]
        A text that ends the answer; may be given several times.
    thinking: bool
        Whether to reason before the answer.
    json: bool
        Print the whole trace as one JSON object instead of streaming.
    """
    asked = sys.stdin.read() if question == "-" else question
    if not asked.strip():
        raise UsageError("The question is empty; give one, or - and a question on standard input.")
    config = flags.resolve(policy=policy, stop=tuple(stop) if stop else None, thinking=thinking)
    with config.open() as relay:
        trace = anyio.run(_answer, relay, asked, not json)
    if json:
        print(jsonlib.dumps(trace_json(trace, relay), ensure_ascii=False))


async def _answer(relay: Relay, question: str, show: bool) -> Trace:
    stream = Stream()
    async for event in relay.stream(question):
        if show:
            stream.show(event)
        if isinstance(event, Finished):
            if show:
                stream.end(summary(event.trace))
            await relay.aclose()
            return event.trace
    raise AssertionError("a generation ends with Finished")


def trace_json(trace: Trace, relay: Relay) -> dict[str, object]:
    """The whole trace as plain data, with the texts and numbers that follow from it."""
    data = trace_to_json(trace)
    usage = {**data.pop("usage"), "completion_tokens": trace.usage.completion_tokens}
    return {
        **data,
        "models": {role.value: engine.name for role, engine in relay.engines.items()},
        "profile": relay.profile.name,
        "text": trace.text,
        "reasoning": trace.reasoning,
        "answer": trace.answer,
        "usage": usage,
        "large_share": trace.large_share,
        "switches": trace.switches,
    }


__all__ = ["STYLES", "run", "trace_json"]
