"""Scorers that compare texts: the letter of an option, or the whole answer."""

from __future__ import annotations

from relaygen.evals.scorers.extract import boxed, final_line, letter, plain
from relaygen.evals.types import Sample, Score


async def choice(sample: Sample, completion: str) -> Score:
    """Correct when the answer names the right option, by its letter or by its text."""
    chosen = letter(completion, [str(choice) for choice in sample.metadata.get("choices", [])])
    if chosen is None:
        return Score(correct=False, answer="", explanation="no option is named")
    return Score(correct=chosen == sample.target, answer=chosen, explanation="letter")


async def exact(sample: Sample, completion: str) -> Score:
    """Correct when the boxed answer, or the last line, is the target but for spaces, capitals and a final stop."""
    box = boxed(completion)
    answer = final_line(completion) if box is None else box
    return Score(correct=plain(answer) == plain(sample.target), answer=answer, explanation="text")
