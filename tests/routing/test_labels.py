"""Labels: only where the models differ, kept as they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from relaygen.calibration.collect import Recorded
from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError, UsageError
from relaygen.relay import Relay
from relaygen.routing.labels import Difference, label
from relaygen.types import Candidate, Scored

pytestmark = pytest.mark.anyio

TEXT = "2+3=5</think>\\boxed{5}"


class Reader(ScriptedEngine):
    """Would write `token` instead of everything in `places`, and never ends a sequence."""

    def __init__(self, places: str, token: str) -> None:
        super().__init__([], name="small")
        self._places, [self._token] = self.tokenizer.encode(places), self.tokenizer.encode(token)

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        changed = [self._token if id in (*self._places, *self.tokenizer.eos_ids) else id for id in tokens[start:]]
        return [Scored(id, 0.0, (Candidate(id, 0.0), Candidate(0, -9.0))) for id in changed]


def traces(n: int, finish: str = "stop") -> list[Recorded]:
    encode = ScriptedEngine([]).tokenizer.encode
    return [Recorded(problem=f"p{i}", prompt=(81, 124), tokens=tuple(encode(TEXT)), finish=finish) for i in range(n)]


def pair(lines: Sequence[str | Line], places: str = "+5") -> Relay:
    return Relay(ScriptedEngine(lines, name="large"), Reader(places, "6"))


MEND = "3=5</think>\\boxed{5}"  # large writes on behind "26"


async def test_every_difference_is_judged_and_the_end_of_the_sequence_is_one(tmp_path: Path) -> None:
    relay = pair([MEND, "</think>\\boxed{6}", "}", ""])
    [found] = await label(relay, traces(1), tmp_path / "l.jsonl")
    at = [TEXT.index("+"), TEXT.index("5"), TEXT.rindex("5"), len(TEXT)]
    assert [d.position for d in found.differences] == [*at[:2], at[2] - 7, at[3] - 7], "one token for </think>"
    assert found.differences[0] == Difference(1, ord("6"), False)
    assert [d.divergent for d in found.differences] == [False, True, True, False]
    assert found.positions == len(found.trace.tokens) + 1


async def test_a_run_that_died_goes_on_and_judges_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    with pytest.raises(EngineError):
        await label(pair([MEND, "", Line("x", fail_after=0)], "+"), traces(3), path)
    done: list[int] = []
    relay = pair(["", "", MEND, ""], "+")
    found = await label(relay, traces(3), path, tick=done.append)
    assert done == [1, 2, 3]
    assert [trace.differences[0].divergent for trace in found] == [False, True, False]


async def test_traces_that_did_not_end_are_left_out(tmp_path: Path) -> None:
    assert await label(pair([]), traces(2, finish="length"), tmp_path / "l.jsonl") == []


async def test_labels_of_another_verifier_are_refused(tmp_path: Path) -> None:
    await label(pair([]), [], tmp_path / "l.jsonl")
    assert json.loads((tmp_path / "l.jsonl").read_text())["verifier"] == "answer"
    with pytest.raises(UsageError, match="belongs to another run: its verifier"):
        await label(pair([]), [], tmp_path / "l.jsonl", judge="large")
