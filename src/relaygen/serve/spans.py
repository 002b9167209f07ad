"""OpenTelemetry spans, one for each segment, where its API is installed. Without it nothing happens.

What becomes of the spans is up to the operator's OpenTelemetry set-up, for example `opentelemetry-instrument`.
"""

from __future__ import annotations

import time
from typing import Any

from relaygen.types import Segment

BILLION = 1_000_000_000


class Spans:
    """Reports segments to a tracer."""

    def __init__(self, tracer: Any = None) -> None:
        """`tracer` is OpenTelemetry's; None reports nothing."""
        self._tracer = tracer

    @classmethod
    def installed(cls) -> Spans:
        """Spans of the installed OpenTelemetry, or none."""
        try:
            from opentelemetry import trace
        except ModuleNotFoundError:
            return cls()
        return cls(trace.get_tracer("relaygen"))

    def segment(self, segment: Segment) -> None:
        """A span that ends now and began as long ago as the segment took. Holds no text."""
        if self._tracer is None:
            return
        end = time.time_ns()
        start = end - round(segment.seconds * BILLION)
        span = self._tracer.start_span(f"relay.segment.{segment.role}", start_time=start)
        span.set_attributes(
            {
                "relay.role": str(segment.role),
                "relay.ending": str(segment.ending),
                "relay.thinking": segment.thinking,
                "relay.tokens": len(segment.tokens),
                "relay.overrun": segment.overrun,
            }
        )
        span.end(end_time=end)
