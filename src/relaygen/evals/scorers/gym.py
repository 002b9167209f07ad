"""reasoning-gym's own verifiers. They give rewards; correct means a full one."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from relaygen.evals.scorers.extract import boxed, final_line
from relaygen.evals.scorers.worker import Worker
from relaygen.evals.types import Sample, Score
from relaygen.problems import ProblemSet


class Gym:
    """Asks the verifier of the data set, in a worker process: some of them raise or run on with what they get."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def __call__(self, sample: Sample, completion: str) -> Score:
        box = boxed(completion)
        answer = final_line(completion) if box is None else box
        about = sample.metadata
        settings = json.dumps(about["settings"])
        correct = await self._worker.run(judge, about["dataset"], settings, about["index"], answer)
        return Score(correct=correct, answer=answer, explanation=f"reasoning-gym's verifier of {about['dataset']}")


def judge(dataset: str, settings: str, index: int, answer: str) -> bool:
    """Runs in the worker, which makes the problem anew from its number."""
    problems = _problems(dataset, settings)
    return problems.solved(problems[index], answer)


@cache
def _problems(dataset: str, settings: str) -> ProblemSet:
    loaded: dict[str, Any] = json.loads(settings)
    return ProblemSet(dataset, settings={k: tuple(v) if isinstance(v, list) else v for k, v in loaded.items()})
