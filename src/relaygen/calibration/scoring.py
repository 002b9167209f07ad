"""Reading traces with teacher forcing: how sure a model is at each position, and whether it would write the same."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relaygen.calibration.collect import Recorded, Tick
from relaygen.calibration.concurrency import for_each
from relaygen.calibration.store import Record, Store
from relaygen.calibration.transcript import Transcript
from relaygen.engines import Engine, fingerprint
from relaygen.errors import UsageError
from relaygen.types import LARGE, SMALL, Role, Scored

Scorer = Literal["small", "large", "both"]
Floats = NDArray[np.float64]
SURE = 0.9  # from this probability on large has made no choice: its token had to come
DIGITS = 5  # margins and log-probabilities are kept to so many decimals: far below what kernels round differently


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One model's view of the first positions of a completion, arrays of one length.

    `agrees` is 1 where its first choice is what stands there.
    """

    margins: Floats
    logprobs: Floats
    agrees: Floats

    def __len__(self) -> int:
        return len(self.margins)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The reasoning of one trace, measured. The arrays hold one number for each of its tokens.

    `agreements` and `disagreements` are None when small did not read. `rest` are the tokens of the answer stage.
    """

    problem: str
    transcript: Transcript
    margins: Floats
    agreements: Floats | None
    disagreements: Floats | None
    rest: int

    def __len__(self) -> int:
        return len(self.margins)


def scored_by(scorer: Scorer) -> tuple[Role, ...]:
    """The models that read; the vocabulary of the first is the one that positions are counted in."""
    return {"small": (SMALL,), "large": (LARGE,), "both": (SMALL, LARGE)}[scorer]


async def score(
    engine: Engine,
    transcripts: Sequence[Transcript],
    path: Path,
    *,
    window: int = 2048,
    concurrency: int = 1,
    tick: Tick = lambda done: None,
) -> list[Scores]:
    """Scores every completion as far as the model's context reaches, `window` positions at a time.

    What stands in `path` already is not read again. Raises UsageError when `path` belongs to another model,
    EngineError when the model fails; what was read by then is kept.
    """
    keys = [digest(t) for t in transcripts]
    with Store(path, {"relaygen": "scores", "model": fingerprint(engine)}) as store:
        known = {record["trace"]: record for record in store.records}
        missing = {key: t for key, t in zip(keys, transcripts, strict=True) if key not in known}
        done = len(set(keys)) - len(missing)
        tick(done)

        async def work(item: tuple[str, Transcript]) -> None:
            nonlocal done
            key, transcript = item
            known[key] = _record(key, await _windowed(engine, transcript, window))
            store.append(known[key])
            done += 1
            tick(done)

        await for_each(missing.items(), concurrency, work)
    return [_scores(known[key]) for key in keys]


def digest(transcript: Transcript) -> str:
    """Names a trace by its ids, so that scores of another one are never taken for its own."""
    ids = np.array([*transcript.prompt, -1, *transcript.tokens], np.int64)
    return hashlib.sha256(ids.tobytes()).hexdigest()[:24]


async def _windowed(engine: Engine, transcript: Transcript, window: int) -> list[Scored]:
    ids = [*transcript.prompt, *transcript.tokens]
    end, scored = min(len(ids), engine.context), list[Scored]()
    for start in range(len(transcript.prompt), end, window):
        scored += await engine.score(ids[: min(start + window, end)], start)
    return scored


def _record(key: str, scored: Sequence[Scored]) -> Record:
    return {
        "trace": key,
        "margins": [round(s.margin, DIGITS) for s in scored],
        "logprobs": [round(max(s.logprob, -1e3), DIGITS) for s in scored],
        "agrees": "".join("1" if s.top[0].id == s.id else "0" for s in scored),
    }


def _scores(record: Record) -> Scores:
    agrees = np.array([c == "1" for c in record["agrees"]], np.float64)
    return Scores(np.array(record["margins"], np.float64), np.array(record["logprobs"], np.float64), agrees)


def readings(
    traces: Sequence[Recorded], transcripts: Sequence[Transcript], by: dict[Role, list[Scores]]
) -> list[Reading]:
    """Puts traces and scores together, leaving out traces without reasoning and those that went round in circles.

    Raises UsageError when no trace is left.
    """
    found = []
    for i, (trace, transcript) in enumerate(zip(traces, transcripts, strict=True)):
        length = min([transcript.reasoning_length, *(len(scores[i]) for scores in by.values())])
        if length and trace.finish != "repetition":
            found.append(_reading(trace, transcript, {role: s[i] for role, s in by.items()}, length))
    if not found:
        raise UsageError(
            f"None of the {len(traces)} traces has a reasoning stage that ends with </think>: calibration needs a "
            "model that reasons, and completions with their thinking in them."
        )
    return found


def _reading(trace: Recorded, transcript: Transcript, by: dict[Role, Scores], length: int) -> Reading:
    margins = by.get(SMALL, by.get(LARGE))
    assert margins is not None
    small, large = by.get(SMALL), by.get(LARGE)
    agreements = small.agrees[:length] if small else None
    return Reading(
        problem=trace.problem,
        transcript=transcript,
        margins=margins.margins[:length],
        agreements=agreements,
        disagreements=_disagreements(small, large, length) if small else None,
        rest=len(transcript) - transcript.reasoning_length,
    )


def _disagreements(small: Scores, large: Scores | None, length: int) -> Floats:
    """How likely small is to write something else, token by token.

    Small alone: 1 where its first choice is another. Both: where large is sure of its token, the probability that
    speculative sampling would reject small, max(0, 1 - p_small/p_large). Where large leaves the choice open, whatever
    small writes is no error.
    """
    if large is None:
        return 1.0 - small.agrees[:length]
    theirs, own = large.logprobs[:length], small.logprobs[:length]
    rejected = 1.0 - np.exp(np.minimum(own - theirs, 0.0))
    result: Floats = np.where(theirs > math.log(SURE), rejected, 0.0)
    return result
