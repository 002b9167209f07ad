"""A pair for problems: large finds the answer, small can only repeat what it reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from relaygen.engines.scripted import ScriptedEngine
from relaygen.problems import NANO_TASKS, ProblemSet

KNOWN = 4  # problems of each task


@cache
def answers() -> dict[str, str]:
    sets = [ProblemSet(task) for task in NANO_TASKS]
    return {problems[i].question: problems[i].answer for problems in sets for i in range(KNOWN)}


def player(able: bool) -> Callable[[str], str]:
    """The next line for a prompt: a thought, what is left of it, or the answer."""

    def line(prompt: str) -> str:
        question, _, written = prompt.removeprefix("user: ").partition("\nassistant: ")
        if "</think>" in written:
            found = re.search(r"It is (\S+)\. ", written)
            return f"\\boxed{{{found[1] if found else 'no idea'}}}"
        if "It is" in written:
            return " I am done. Yes.</think>"
        return f"It is {answers()[question]}. Thus, I am done.</think>" if able else "Who knows.</think>"

    return line


def engine(reference: str, *settings: object) -> ScriptedEngine:
    """In place of `create_engine`. The name is not the embedded pair's, whose profile would not fit."""
    return ScriptedEngine(player("large" in reference), name=reference.removeprefix("nano:"))
