"""Traces survive the way to JSON and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaygen.errors import UsageError
from relaygen.traces import trace_from_json, trace_to_json
from relaygen.types import LARGE, SMALL, Ending, Segment, Trace, Usage

numbers = st.integers(0, 1 << 40)
seconds = st.floats(0, 1e6)
logprobs = st.one_of(st.floats(-1e3, 0), st.just(float("-inf")))

segments = st.builds(
    Segment,
    role=st.sampled_from([LARGE, SMALL]),
    tokens=st.lists(numbers, max_size=4).map(tuple),
    text=st.text(max_size=8),
    ending=st.sampled_from(Ending),
    why=st.text(max_size=4),
    thinking=st.booleans(),
    seconds=seconds,
    overrun=numbers,
    inserted=st.booleans(),
    logprobs=st.lists(logprobs, max_size=4).map(tuple),
    margins=st.lists(st.floats(0, 1), max_size=4).map(tuple),
)
usages = st.builds(Usage, **dict.fromkeys(Usage.__dataclass_fields__, numbers))
traces = st.builds(
    Trace,
    policy=st.text(max_size=8),
    prompt=st.lists(numbers, max_size=4).map(tuple),
    segments=st.lists(segments, max_size=3).map(tuple),
    usage=usages,
    finish_reason=st.sampled_from(["stop", "length", "error"]),
    seconds=seconds,
    first_token_seconds=st.none() | seconds,
    seed=numbers,
    degraded=st.booleans(),
    notes=st.lists(st.text(max_size=4), max_size=2).map(tuple),
)


@given(traces)
def test_a_trace_comes_back_as_it_was(trace: Trace) -> None:
    line = json.dumps(trace_to_json(trace), allow_nan=False)
    assert trace_from_json(json.loads(line)) == trace


def test_the_keys_are_the_names_of_the_fields() -> None:
    segment = Segment(role=SMALL, tokens=(1, 2), text="ab", ending=Ending.EOS, seconds=0.5)
    usage = Usage(small_tokens=2)
    trace = Trace(policy="small", prompt=(), segments=(segment,), usage=usage, finish_reason="stop", seconds=1.0)
    data = trace_to_json(trace)
    assert data["finish_reason"] == "stop"
    assert data["usage"]["small_tokens"] == 2
    first = data["segments"][0]
    assert (first["role"], first["text"], first["tokens"], first["ending"]) == ("small", "ab", [1, 2], "eos")


def test_what_is_no_trace_is_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match="not a trace: policy"):
        trace_from_json({"prompt": []})
