"""Reading with teacher forcing: windows, what is kept, and how disagreement is counted."""

from __future__ import annotations

from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.calibration.planted import PlantedEngine, thought, transcript

from relaygen.calibration.collect import Recorded
from relaygen.calibration.scoring import Scores, digest, readings, score, scored_by
from relaygen.calibration.transcript import Transcript
from relaygen.errors import UsageError
from relaygen.types import LARGE, SMALL

pytestmark = pytest.mark.anyio
TEXT = thought("Let me see.", "Thus it is.")


def engine(**options: Any) -> PlantedEngine:
    return PlantedEngine(lambda prompt: "", lambda text: [i % 10 / 10 for i in range(len(text))], **options)


async def test_windows_join_to_what_one_call_gives(tmp_path: Path) -> None:
    script = transcript(TEXT)
    whole, pieces = engine(), engine()
    (one,) = await score(whole, [script], tmp_path / "one.jsonl", window=10_000)
    (many,) = await score(pieces, [script], tmp_path / "many.jsonl", window=7)
    assert len(whole.windows) == 1
    assert {end - start for start, end in pieces.windows[:-1]} == {7}
    assert len(one) == len(script)
    assert one.margins.tolist() == many.margins.tolist()


async def test_a_trace_is_read_as_far_as_the_context_reaches(tmp_path: Path) -> None:
    script = transcript(TEXT)
    (scores,) = await score(engine(context=12), [script], tmp_path / "s.jsonl")
    assert len(scores) == 12 - len(script.prompt)


async def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    first, again, other = transcript(TEXT), engine(), transcript(thought("New."))
    await score(engine(), [first], tmp_path / "s.jsonl")
    ticks: list[int] = []
    found = await score(again, [first, other, first], tmp_path / "s.jsonl", tick=ticks.append)
    assert [len(s) for s in found] == [len(first), len(other), len(first)]
    assert [end for _, end in again.windows] == [len(other.prompt) + len(other)]
    assert ticks == [1, 2]


async def test_readings_of_another_model_are_refused(tmp_path: Path) -> None:
    await score(engine(name="one"), [transcript(TEXT)], tmp_path / "s.jsonl")
    with pytest.raises(UsageError, match="belongs to another run"):
        await score(engine(name="two"), [transcript(TEXT)], tmp_path / "s.jsonl")


def test_a_trace_is_named_by_its_ids_and_where_the_completion_begins() -> None:
    names = {digest(transcript("ab", "Q|")), digest(transcript("ac", "Q|")), digest(transcript("b", "Q|a"))}
    assert len(names) == 3


def scores(length: int, chance: float = 0.5, agrees: float = 1.0) -> Scores:
    return Scores(np.full(length, 0.3), np.full(length, log(chance)), np.full(length, agrees))


def recorded(script: Transcript, finish: str = "stop") -> Recorded:
    return Recorded(problem="p", prompt=script.prompt, tokens=script.tokens, finish=finish)


def test_small_alone_disagrees_where_its_first_choice_is_another() -> None:
    script = transcript(TEXT)
    (reading,) = readings([recorded(script)], [script], {SMALL: [scores(len(script), agrees=0.0)]})
    assert len(reading) == script.reasoning_length
    assert reading.rest == len("\\boxed{7}")
    assert reading.disagreements is not None
    assert set(reading.disagreements) == {1.0}


@pytest.mark.parametrize(
    ("small", "large", "rejected"), [(0.24, 0.96, 0.75), (0.99, 0.96, 0.0), (0.2, 0.8, 0.0), (0.8, 0.2, 0.0)]
)
def test_with_both_a_disagreement_is_what_speculative_sampling_would_reject_where_large_is_sure(
    small: float, large: float, rejected: float
) -> None:
    script = transcript(TEXT)
    by = {SMALL: [scores(len(script), small)], LARGE: [scores(len(script), large)]}
    (reading,) = readings([recorded(script)], [script], by)
    assert reading.disagreements is not None
    assert reading.disagreements[0] == pytest.approx(rejected)
    assert exp(log(small)) == pytest.approx(small)


def test_with_large_alone_nothing_is_known_about_small() -> None:
    script = transcript(TEXT)
    (reading,) = readings([recorded(script)], [script], {LARGE: [scores(len(script))]})
    assert reading.agreements is None
    assert reading.disagreements is None


def test_traces_without_reasoning_or_that_went_in_circles_are_left_out() -> None:
    plain, circling, good = transcript("just an answer."), transcript(TEXT), transcript(TEXT)
    traces = [recorded(plain), recorded(circling, "repetition"), recorded(good)]
    found = readings(traces, [plain, circling, good], {SMALL: [scores(len(s)) for s in (plain, circling, good)]})
    assert [r.transcript for r in found] == [good]


def test_no_reasoning_at_all_is_one_clear_sentence() -> None:
    plain = transcript("just an answer.")
    with pytest.raises(UsageError, match="None of the 1 traces has a reasoning stage"):
        readings([recorded(plain)], [plain], {SMALL: [scores(len(plain))]})


def test_the_first_scorer_gives_the_vocabulary() -> None:
    assert scored_by("both") == (SMALL, LARGE)
    assert scored_by("large") == (LARGE,)
