"""One line per result with all that the numbers need and nothing else; the tokens stay in the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from relaygen.evals.types import Fault, Key, Result
from relaygen.types import LARGE, SMALL, Ending, Trace

CUT_OFF = ("length", "repetition")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A result in numbers. `correct` is None, and `fault` says why, when nothing is known about the answer.

    Times are in seconds, `tokens` are those of the completion. An engine that failed leaves only the key.
    """

    policy: str
    task: str
    sample: str
    epoch: int
    correct: bool | None = None
    fault: Fault | None = None
    finish: str = "error"
    seconds: float = 0.0
    first_token: float | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    large_tokens: int = 0
    small_tokens: int = 0
    overrun: int = 0
    wasted_large: int = 0
    wasted_small: int = 0
    drafted: int = 0
    accepted: int = 0
    segments: int = 0
    switches: int = 0
    large_seconds: float = 0.0
    small_seconds: float = 0.0
    cues: tuple[str, ...] = ()
    degraded: bool = False

    @property
    def key(self) -> Key:
        return Key(self.policy, self.sample, self.epoch)

    @property
    def generated(self) -> bool:
        """Whether the generation came to its end, so that its time and tokens count. The scorer may have failed."""
        return self.finish not in ("error", "aborted")

    @property
    def cut_off(self) -> bool:
        """Whether the budget, or the guard against going round in circles, ended it."""
        return self.finish in CUT_OFF

    @property
    def relay_seconds(self) -> float:
        """What neither model accounts for."""
        return max(0.0, self.seconds - self.large_seconds - self.small_seconds)


def row_of(result: Result) -> Row:
    """The numbers of a result."""
    fault = result.error.kind if result.error else None
    correct = result.score.correct if result.score else None
    sample = result.sample
    row = Row(
        policy=result.policy, task=sample.task, sample=sample.id, epoch=result.epoch, correct=correct, fault=fault
    )
    return _with_trace(row, result.trace) if result.trace and fault in (None, Fault.SCORER) else row


def last_rows(results: Iterable[Result]) -> list[Row]:
    """The rows of a log; of a sample that was tried again the last."""
    rows = {row.key: row for row in map(row_of, results)}
    return list(rows.values())


def _with_trace(row: Row, trace: Trace) -> Row:
    usage, segments = trace.usage, trace.segments
    cues = [a.why for a, b in pairwise(segments) if a.ending is Ending.CUE and b.role is SMALL]
    return replace(
        row,
        finish=trace.finish_reason,
        seconds=trace.seconds,
        first_token=trace.first_token_seconds,
        prompt_tokens=usage.prompt_tokens,
        tokens=usage.completion_tokens,
        large_tokens=usage.large_tokens,
        small_tokens=usage.small_tokens,
        overrun=sum(s.overrun for s in segments),
        wasted_large=usage.wasted_large,
        wasted_small=usage.wasted_small,
        drafted=usage.drafted,
        accepted=usage.accepted,
        segments=len(segments),
        switches=trace.switches,
        large_seconds=trace.seconds_of(LARGE),
        small_seconds=trace.seconds_of(SMALL),
        cues=tuple(cues),
        degraded=trace.degraded,
    )
