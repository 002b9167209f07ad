"""Mathematical answers, judged by math-verify in a worker process (it is not safe in threads)."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any, NamedTuple

from relaygen.errors import MissingExtra
from relaygen.evals.scorers.extract import boxed, plain
from relaygen.evals.scorers.worker import Worker
from relaygen.evals.types import Sample, Score

TAIL = 4000  # characters at the end of an answer without a box that are searched
WORDS = re.compile(r"[^\W\d_]{2,}(?: [^\W\d_]+)*")


class Verdict(NamedTuple):
    """What the worker found."""

    correct: bool
    answer: str
    how: str


class Maths:
    """Compares values, not texts: 1/2 is 0.5. The boxed answer counts, or else what math-verify finds in the text."""

    def __init__(self, worker: Worker) -> None:
        """Raises MissingExtra without math-verify."""
        if find_spec("math_verify") is None:
            raise MissingExtra("math-verify", "eval")
        self._worker = worker

    async def __call__(self, sample: Sample, completion: str) -> Score:
        found = await self._worker.run(judge, sample.target, completion)
        return Score(correct=found.correct, answer=found.answer, explanation=found.how)


def judge(target: str, completion: str) -> Verdict:
    """Runs in the worker, in its main thread. A target that is no mathematics is compared as text."""
    box = boxed(completion)
    answer = _prepared(box if box is not None else "")
    if box is not None and plain(answer) == plain(target):
        return Verdict(True, box, "same text")
    if WORDS.fullmatch(plain(target)):
        said = answer if box is not None else completion.strip().rsplit("\n", 1)[-1]
        return Verdict(plain(said) == plain(target), said, "words")
    gold = _parse(f"${_prepared(target)}$")
    if all(isinstance(reading, str) for reading in gold):
        return Verdict(False, box or "", "text: the target can't be read as mathematics")
    found = _parse(f"${answer}$" if box is not None else completion[-TAIL:])
    return Verdict(_verify(gold, found), box if box is not None else _shown(found), "math-verify")


def _prepared(text: str) -> str:
    """Spellings that math-verify does not know."""
    return text.replace("\\varnothing", "\\emptyset").replace("−", "-").strip().strip("$")


def _shown(found: list[Any]) -> str:
    return str(found[-1]) if found else ""


def _parse(text: str) -> list[Any]:
    from math_verify import parse

    # Its own time limits use signals; the worker's deadline takes their place.
    return list(parse(text, parsing_timeout=None))


def _verify(gold: list[Any], found: list[Any]) -> bool:
    from math_verify import verify

    return bool(verify(gold, found, timeout_seconds=None))
