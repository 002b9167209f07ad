"""`relaygen run`: one question, one answer, streamed in the colours of who wrote it."""

from __future__ import annotations

import json as jsonlib
import re
import sys
from contextlib import aclosing
from typing import Annotated

import anyio
from cyclopts import Parameter

from relaygen.cli.flags import Json, RelayFlags
from relaygen.cli.show import Stream
from relaygen.errors import UsageError
from relaygen.relay import Relay
from relaygen.traces import trace_to_json
from relaygen.types import Finished, Trace

FLAG = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.DOTALL)  # rather a slip than a question


def run(
    question: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
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
    if FLAG.fullmatch(question):
        raise UsageError(f"Unknown option: {question}.")
    asked = _read_all() if question == "-" else question
    if not asked.strip():
        raise UsageError("The question is empty; give one, or - and a question on standard input.")
    config = flags.resolve(policy=policy, stop=tuple(stop) if stop else None, thinking=thinking)
    with config.open() as relay:
        trace = anyio.run(_answer, relay, asked, None if json else Stream())
    if json:
        print(jsonlib.dumps(run_json(trace, relay), ensure_ascii=False))


def _read_all() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"Standard input is not {error.encoding} text: {error.reason} at byte {error.start}."
        ) from error


async def _answer(relay: Relay, question: str, stream: Stream | None) -> Trace:
    async with relay, aclosing(relay.stream(question)) as events:
        async for event in events:
            if stream:
                stream.show(event)
            if isinstance(event, Finished):
                if stream:
                    stream.end(event.trace)
                return event.trace
    raise AssertionError("a generation ends with Finished")


def run_json(trace: Trace, relay: Relay) -> dict[str, object]:
    """The trace, and what follows from it, as plain data. `trace_from_json` gives the trace back."""
    data = trace_to_json(trace)
    data["usage"]["completion_tokens"] = trace.usage.completion_tokens
    return {
        "text": trace.text,
        "reasoning": trace.reasoning,
        "answer": trace.answer,
        "models": {role.value: engine.name for role, engine in relay.engines.items()},
        "profile": relay.profile.name,
        "large_share": round(trace.large_share, 4),
        "switches": trace.switches,
        **data,
    }
