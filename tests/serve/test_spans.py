"""Spans of segments, as a tracer of OpenTelemetry gets them."""

from __future__ import annotations

from typing import Any

from relaygen.serve.spans import BILLION, Spans
from relaygen.types import LARGE, Ending, Segment


class Recorder:
    """A tracer and its only span."""

    def start_span(self, name: str, start_time: int) -> Recorder:
        self.name, self.began = name, start_time
        return self

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes

    def end(self, end_time: int) -> None:
        self.ended = end_time


SEGMENT = Segment(role=LARGE, tokens=(1, 2), text="secret", ending=Ending.CUE, why="Thus", thinking=True, seconds=0.5)


def test_a_segment_becomes_a_span_as_long_as_it_took_and_without_its_text() -> None:
    tracer = Recorder()
    Spans(tracer).segment(SEGMENT)
    assert tracer.name == "relay.segment.large"
    assert tracer.ended - tracer.began == BILLION // 2
    assert (tracer.attributes["relay.tokens"], tracer.attributes["relay.ending"]) == (2, "cue")
    assert "secret" not in str(tracer.attributes)


def test_without_a_tracer_nothing_happens() -> None:
    Spans().segment(SEGMENT)
    assert Spans()._tracer is None
