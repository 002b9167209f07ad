"""Traces as plain data: one lossless form for `relaygen run --json`, evaluation logs and everything else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from relaygen.errors import UsageError
from relaygen.types import Trace


def trace_to_json(trace: Trace) -> dict[str, Any]:
    """The trace as JSON-ready data, the keys named like the fields of Trace, Segment and Usage.

    Numbers that JSON has no word for (an infinite log-probability) become text.
    """
    data: dict[str, Any] = _adapter().dump_python(trace, mode="json")
    for segment in data["segments"]:
        for key in ("logprobs", "margins"):
            segment[key] = [x if math.isfinite(x) else str(x) for x in segment[key]]
    return data


def trace_from_json(data: Mapping[str, Any]) -> Trace:
    """The trace that `trace_to_json` was given; other keys are ignored. Raises UsageError when it is not one."""
    try:
        return _adapter().validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the trace"
        raise UsageError(f"This is not a trace: {place}: {first['msg']}.") from error


@cache
def _adapter() -> TypeAdapter[Trace]:
    return TypeAdapter(Trace)
