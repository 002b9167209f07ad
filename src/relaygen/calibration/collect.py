"""Traces of the large model: written by it now, kept as they come, or brought from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relaygen.calibration.concurrency import for_each
from relaygen.calibration.questions import Question
from relaygen.calibration.store import Record, Store
from relaygen.chat import ChatTemplate, messages_of
from relaygen.engines import fingerprint
from relaygen.errors import UsageError
from relaygen.relay import Relay
from relaygen.tokenizer import Tokenizer
from relaygen.types import LARGE, Trace

Tick = Callable[[int], None]
"""Told how many items are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One trace in the large model's vocabulary. `problem` is what statistics are clustered by.

    `solved` is None where nobody can judge; `seconds` 0 where nobody measured.
    """

    problem: str
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    finish: str = "stop"
    seconds: float = 0.0
    solved: bool | None = None


async def collect(
    relay: Relay, asked: Sequence[Question], path: Path, *, concurrency: int = 1, tick: Tick = lambda done: None
) -> list[Recorded]:
    """Lets large answer every question alone; what stands in `path` already is not asked again.

    Raises UsageError when `path` belongs to another run, EngineError when the model fails; what was written by then
    is kept.
    """
    with Store(path, _head(relay)) as store:
        known = {record["problem"]: record for record in store.records}
        missing = [q for q in asked if q.id not in known]
        done = len(asked) - len(missing)
        tick(done)

        async def work(question: Question) -> None:
            nonlocal done
            options = relay.with_sampling(seed=relay.options.sampling.seed + question.number)
            trace = await relay.agenerate(question.text, policy="large", options=options)
            known[question.id] = _record(question, trace, relay.engines[LARGE].tokenizer)
            store.append(known[question.id])
            done += 1
            tick(done)

        await for_each(missing, concurrency, work)
    return [_recorded(known[q.id]) for q in asked]


def read_traces(path: Path, template: ChatTemplate | None, tokenizer: Tokenizer) -> list[Recorded]:
    """Traces of any system: JSONL with `completion`, and `prompt` (as the model read it), `question` or `messages`.

    The latter two are rendered with the large model's template. `problem` or `id` says which traces belong together;
    without them the same prompt does. Raises UsageError that names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # JSON texts may hold other line breaks
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The traces {path} can't be read: {error}.") from error
    rows = [(i, _row(path, i, line)) for i, line in enumerate(lines, 1) if line.strip()]
    found = [_imported(f"{path}, line {i}", row, template, tokenizer) for i, row in rows if "relaygen" not in row]
    if not found:
        raise UsageError(f"{path} holds no traces.")
    return found


def _head(relay: Relay) -> Record:
    sampling = {k: v for k, v in asdict(relay.options.sampling).items() if k != "seed"}
    return {
        "relaygen": "traces",
        "large": fingerprint(relay.engines[LARGE]),
        "max_tokens": relay.options.max_tokens,
        "sampling": sampling,
        "seed": relay.options.sampling.seed,
    }


def _record(question: Question, trace: Trace, tokenizer: Tokenizer) -> Record:
    return {
        "problem": question.id,
        "prompt": tokenizer.decode(trace.prompt),
        "completion": trace.text,
        "prompt_ids": list(trace.prompt),
        "completion_ids": list(trace.tokens),
        "finish_reason": trace.finish_reason,
        "seconds": round(trace.seconds, 6),
        "solved": question.solved(trace.answer) if question.solved else None,
    }


def _recorded(record: Record) -> Recorded:
    return Recorded(
        problem=record["problem"],
        prompt=tuple(record["prompt_ids"]),
        tokens=tuple(record["completion_ids"]),
        finish=record["finish_reason"],
        seconds=record["seconds"],
        solved=record["solved"],
    )


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}, line {number} is not JSON: {error}.") from error
    if not isinstance(row, dict):
        raise UsageError(f"{path}, line {number} should hold a JSON object, but holds a {type(row).__name__}.")
    return row


def _imported(place: str, row: dict[str, Any], template: ChatTemplate | None, tokenizer: Tokenizer) -> Recorded:
    completion = row.get("completion")
    if not isinstance(completion, str) or not completion:
        raise UsageError(f"{place} has no text in the field completion.")
    prompt = _prompt(place, row, template)
    return Recorded(
        problem=str(row.get("problem", row.get("id", prompt))),
        prompt=_ids(row.get("prompt_ids")) or tuple(tokenizer.encode(prompt)),
        tokens=_without_end(_ids(row.get("completion_ids")) or tuple(tokenizer.encode(completion)), tokenizer),
        finish=str(row.get("finish_reason", "stop")),
    )


def _prompt(place: str, row: dict[str, Any], template: ChatTemplate | None) -> str:
    if isinstance(row.get("prompt"), str) and row["prompt"]:
        return str(row["prompt"])
    asked = row.get("question", row.get("messages"))
    if not asked:
        raise UsageError(f"{place} has none of the fields prompt, question and messages.")
    if template is None:
        raise UsageError(f"{place} has no rendered prompt, and the large model has no chat template to render one.")
    return template.render(messages_of(asked))


def _ids(value: object) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(isinstance(id, int) for id in value)
    return tuple(value) if isinstance(value, list) and whole else ()


def _without_end(tokens: tuple[int, ...], tokenizer: Tokenizer) -> tuple[int, ...]:
    """Other systems keep the end of the sequence; the relay strips it."""
    return tokens[:-1] if tokens and tokens[-1] in tokenizer.eos_ids else tokens
