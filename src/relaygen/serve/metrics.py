"""Prometheus metrics: vLLM's names where vLLM has one, and the relay's own. Each gateway has a registry of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from relaygen.errors import EngineError, RelayError
from relaygen.serve.spans import Spans
from relaygen.types import Ended, Ending, Event, Finished, Role, Segment, Trace, Written

TYPE = CONTENT_TYPE_LATEST
FAST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
SLOW = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0)


class Metrics:
    """What the gateway counts. `running` and `waiting` are asked whenever somebody reads the metrics."""

    def __init__(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        model = ["model_name"]

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"relay:{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"relay:{name}", text, model, buckets=buckets, registry=registry)

        Gauge("relay:num_requests_running", "Generations that run.", registry=registry).set_function(running)
        Gauge("relay:num_requests_waiting", "Generations that wait.", registry=registry).set_function(waiting)
        self.first_token = histogram("time_to_first_token_seconds", "From the request to its first token.", FAST)
        self.between = histogram("inter_token_latency_seconds", "Between the tokens of a generation.", FAST)
        self.total = histogram("e2e_request_latency_seconds", "From the request to its end.", SLOW)
        self.queued = histogram("request_queue_time_seconds", "Waiting for a place.", SLOW)
        self.prompt = counter("prompt_tokens", "Tokens of prompts.", *model)
        self.generated = counter("generation_tokens", "Tokens of completions.", *model)
        self.success = counter("request_success", "Generations that ended.", *model, "finished_reason")
        self.aborted = counter("request_aborted", "Generations whose client went away, or that failed.", *model)
        self.rejected = counter("admission_rejections", "Requests that were turned away.", "reason")
        self.refused = counter("request_errors", "Requests that got an error, turned away or not.", "reason")
        self.tokens = counter("model_tokens", "Tokens by who wrote them.", "role", "stage")
        self.segments = counter("segments", "Segments by who wrote them and how they ended.", "role", "ending")
        self.cues = counter("cue_switches", "Hand-overs by the cue that set them off.", "cue")
        self.switches = counter("switches", "Hand-overs between the models.", *model)
        self.overrun = counter("overrun_tokens", "Tokens past the end of a segment, dropped.", "role")
        self.wasted = counter("wasted_tokens", "Tokens that were generated and not kept.", "role")
        self.degraded = counter("degraded", "Generations that lost one of their models.", *model)
        labels = ("role", "model_name", "server")
        self.up = Gauge("relay:engine_up", "Whether a model's server answers.", labels, registry=registry)
        self.failures = counter("engine_failures", "Generations that a failing model ended.", *model)

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def set_up(self, role: Role, name: str, servers: Sequence[bool]) -> None:
        """Whether each server of a model answers; servers go by their number, as addresses are nobody's business."""
        for i, up in enumerate(servers):
            self.up.labels(role, name, i).set(up)

    def count_refusal(self, reason: str, busy: bool) -> None:
        self.refused.labels(reason).inc()
        if busy:
            self.rejected.labels(reason).inc()

    def count_segment(self, segment: Segment) -> None:
        stage = "reasoning" if segment.thinking else "answer"
        self.segments.labels(segment.role, segment.ending).inc()
        self.tokens.labels("none" if segment.inserted else segment.role, stage).inc(len(segment.tokens))
        if segment.overrun > 0:
            self.overrun.labels(segment.role).inc(segment.overrun)
        if segment.ending is Ending.CUE:
            self.cues.labels(segment.why).inc()

    def count_trace(self, label: str, trace: Trace) -> None:
        self.success.labels(label, trace.finish_reason).inc()
        self.switches.labels(label).inc(trace.switches)
        self.prompt.labels(label).inc(trace.usage.prompt_tokens)
        self.degraded.labels(label).inc(trace.degraded)
        for role, wasted in ((Role.LARGE, trace.usage.wasted_large), (Role.SMALL, trace.usage.wasted_small)):
            self.wasted.labels(role).inc(max(wasted, 0))


class Watch:
    """Times one generation, from when the watch is made, and counts what happens in it."""

    def __init__(self, metrics: Metrics, spans: Spans, doubt: Callable[[], None], label: str) -> None:
        """`doubt` is called when a model failed."""
        self._metrics, self._spans, self._doubt, self._label = metrics, spans, doubt, label
        self._began = time.perf_counter()
        self._last: float | None = None
        self._between = metrics.between.labels(label)
        self._generated = metrics.generated.labels(label)
        self._finished = False

    def admitted(self) -> None:
        self._metrics.queued.labels(self._label).observe(time.perf_counter() - self._began)

    def saw(self, event: Event) -> None:
        match event:
            case Written(_, tokens):
                self._count(len(tokens))
            case Ended(segment):
                self._metrics.count_segment(segment)
                self._spans.segment(segment)
            case Finished(trace):
                self._finished = True
                self._metrics.count_trace(self._label, trace)
                if trace.degraded:
                    self._doubt()

    def failed(self, error: RelayError) -> None:
        if isinstance(error, EngineError):
            self._metrics.failures.labels(self._label).inc()
            self._doubt()

    def over(self) -> None:
        """The generation is over, one way or another."""
        self._metrics.total.labels(self._label).observe(time.perf_counter() - self._began)
        if not self._finished:
            self._metrics.aborted.labels(self._label).inc()

    def _count(self, tokens: int) -> None:
        now = time.perf_counter()
        if self._last is None:
            self._metrics.first_token.labels(self._label).observe(now - self._began)
        else:
            self._between.observe(now - self._last)
        self._last = now
        self._generated.inc(tokens)
