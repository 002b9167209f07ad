"""The numbers of a load at one concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from relaygen.evals.bench.load import Loop


class Percentiles(NamedTuple):
    """Seconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One concurrency. Percentiles are over the requests that succeeded, None without any; throughput is theirs over
    the time of the whole load.
    """

    concurrency: int
    requests: int
    errors: int
    seconds: float
    tokens: int
    tokens_per_second: float
    requests_per_second: float
    first_token: Percentiles | None
    per_token: Percentiles | None
    end_to_end: Percentiles | None


def summarise(loop: Loop, concurrency: int) -> Level:
    """The level of one load."""
    good = [measured for measured in loop.requests if not measured.error]
    tokens = sum(measured.tokens for measured in good)
    return Level(
        concurrency=concurrency,
        requests=len(loop.requests),
        errors=len(loop.requests) - len(good),
        seconds=loop.seconds,
        tokens=tokens,
        tokens_per_second=tokens / loop.seconds,
        requests_per_second=len(good) / loop.seconds,
        first_token=_percentiles([m.first_token for m in good]),
        per_token=_percentiles([m.per_token for m in good]),
        end_to_end=_percentiles([m.seconds for m in good]),
    )


def _percentiles(values: Sequence[float | None]) -> Percentiles | None:
    known = [value for value in values if value is not None]
    return Percentiles(*(float(x) for x in np.percentile(known, [50, 90, 99]))) if known else None
