"""The documents that relay-nano is trained on. Evaluation and calibration take other seeds (`relaygen.problems`)."""

from __future__ import annotations

import random
from collections.abc import Iterator

import reasoning_gym

from relaygen.problems import NANO_TASKS, SEEDS, Split
from solutions import Piece, solve


def documents(count: int, seed: int = Split.TRAINING.seed) -> Iterator[list[Piece]]:
    """`count` documents per task, the tasks in turn."""
    sets = {
        name: reasoning_gym.create_dataset(name, seed=seed + i * SEEDS, size=count, **settings)
        for i, (name, settings) in enumerate(NANO_TASKS.items())
    }
    rng = random.Random(seed)
    for i in range(count):
        for name, data in sets.items():
            item = data[i]
            yield solve(name, item["question"], item["answer"], rng)


if __name__ == "__main__":
    for document in documents(2):
        print("".join(f"[{p.text}]" if p.kind == "easy" else p.text for p in document), end="\n" + "-" * 80 + "\n")
