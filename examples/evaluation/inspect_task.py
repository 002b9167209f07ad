"""A task for Inspect (`pip install inspect-ai`) that runs through a gateway, so that its model is two models.

    relaygen serve                       # in another terminal
    export RELAYGEN_BASE_URL=http://127.0.0.1:8000/v1 RELAYGEN_API_KEY=none
    inspect eval inspect_task.py --model openai-api/relaygen/relay --seed 1

`openai-api` is Inspect's name for any OpenAI-compatible server, `relaygen` decides which variables it reads, and
`relay` is the gateway's model: `large`, `small` and `relay:guarded` work too.
"""

from __future__ import annotations

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def sums() -> Task:
    """Ten arithmetic problems of the kind that relay-nano was trained on."""
    return Task(
        dataset=json_dataset(str(Path(__file__).with_name("problems.jsonl"))),
        solver=generate(),
        scorer=match(numeric=True),
    )
