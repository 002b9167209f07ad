"""Planted runs, for reports and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.evals.players import make_header, make_result, make_samples, make_trace

from relaygen.evals.log import EvalLog
from relaygen.evals.run import Run
from relaygen.evals.types import Failure, Fault, Result

POLICIES = ("large", "small", "random(share=0.6)", "relaygen")
NASTY = "<script>alert(1)</script> & <b>bold</b> ½ “quoted” \\(x^2\\) " + "verylongword" * 20
TOKENS = {"large": (20, 0), "small": (0, 20), "random(share=0.6)": (12, 8), "relaygen": (13, 7)}


def plant(folder: Path, problems: int = 12, policies: Sequence[str] = POLICIES, *, seconds: float = 1.0) -> Run:
    """Large is right on most problems, small on half, the others in between; one scorer failed, one answer was cut."""
    samples = [
        replace(s, task=f"task-{i % 2}", input=f"{s.input} {NASTY}") for i, s in enumerate(make_samples(problems))
    ]
    header = make_header(policies, problems)
    settings = header.settings.model_copy(update={"samples_from": {"task-0": "a", "task-1": "b"}})
    with EvalLog.open(folder, header.model_copy(update={"settings": settings})) as log:
        for i, sample in enumerate(samples):
            for j, policy in enumerate(policies):
                large, small = TOKENS[policy]
                time = seconds * (2 * large + small + i % 3) / 40
                trace = make_trace(large, small, time, finish="length" if i == 1 else "stop", text=NASTY)
                result = make_result(policy, sample, correct=i % (5 - j) > 0, trace=trace)
                log.append(_failed(result) if i == 2 and j == 1 else result)
    return Run.read(folder)


def _failed(result: Result) -> Result:
    return replace(
        result, score=None, error=Failure(kind=Fault.SCORER, message="The scorer took more than 30 seconds.")
    )
