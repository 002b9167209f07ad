"""Writes down what relay-nano was trained on, so that evaluation and calibration can ask something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import relaygen
from relaygen.problems import NANO_TASKS, TRAINED, ProblemSet, Split, mark_of
from train import RECIPES

if __name__ == "__main__":
    count = max(recipe.documents for recipe in RECIPES.values())
    sets = [ProblemSet(task, Split.TRAINING) for task in NANO_TASKS]
    known = sorted({mark_of(problems[i].question) for problems in sets for i in range(count)})
    (Path(relaygen.__file__).parent / TRAINED).write_bytes(np.array(known, "<u4").tobytes())
    print(f"{len(known)} questions")
