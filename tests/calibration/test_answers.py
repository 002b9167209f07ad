"""Who answers: with the reasoning fixed, do both models say the same?"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.calibration.planted import PlantedEngine, relay, thought, transcript

from relaygen.calibration.answers import answerer, compare_answers
from relaygen.calibration.collect import Recorded
from relaygen.profile import Answers
from relaygen.types import LARGE, SMALL

pytestmark = pytest.mark.anyio


def trace(text: str, finish: str = "stop") -> Recorded:
    script = transcript(text)
    return Recorded(problem="p", prompt=script.prompt, tokens=script.tokens, finish=finish)


def says(answer: str, wrong_after: str = "never") -> PlantedEngine:
    """Answers like that; something else after a reasoning with the word `wrong_after`."""
    return PlantedEngine(
        lambda prompt: f"It is \\boxed{{{'0' if wrong_after in prompt else answer}}}<|end|>", name=answer
    )


TRACES = [trace(thought(word)) for word in ("One.", "Two.", "Three.")]


async def test_the_final_answers_are_compared_after_the_same_reasoning(tmp_path: Path) -> None:
    large, small = says("7"), says("7", wrong_after="Two")
    found = await compare_answers(relay(large, small), TRACES, tmp_path / "a.jsonl", threshold=0.9)
    assert found == Answers(n=3, same=2, threshold=0.9)
    assert [large.tokenizer.decode(call) for call in large.calls] == [
        f"Q|<think>{word}</think>" for word in ("One.", "Two.", "Three.")
    ]
    assert small.calls == large.calls


async def test_what_was_compared_is_not_asked_again(tmp_path: Path) -> None:
    await compare_answers(relay(says("7"), says("8")), TRACES[:2], tmp_path / "a.jsonl", threshold=0.9)
    large = says("7")
    found = await compare_answers(relay(large, says("8")), TRACES, tmp_path / "a.jsonl", threshold=0.9)
    assert len(large.calls) == 1
    assert found == Answers(n=3, same=0, threshold=0.9)


async def test_reasoning_that_did_not_end_is_left_out(tmp_path: Path) -> None:
    unfinished = [trace("<think>and so on"), trace("no reasoning"), trace(thought("a."), "repetition")]
    assert await compare_answers(relay(says("7"), says("7")), unfinished, tmp_path / "a", threshold=1) is None


async def test_two_empty_answers_do_not_agree(tmp_path: Path) -> None:
    silent = (
        PlantedEngine(lambda prompt: "<|end|>", name="large"),
        PlantedEngine(lambda prompt: "<|end|>", name="small"),
    )
    found = await compare_answers(relay(*silent), TRACES[:1], tmp_path / "a.jsonl", threshold=1)
    assert found == Answers(n=1, same=0, threshold=1)


@pytest.mark.parametrize(("same", "role"), [(100, SMALL), (99, SMALL), (98, LARGE)])
def test_large_answers_below_the_threshold(same: int, role: str) -> None:
    assert answerer(Answers(n=100, same=same, threshold=0.99)) == role


def test_small_answers_when_nothing_was_compared() -> None:
    assert answerer(None) is SMALL
