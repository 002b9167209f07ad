"""From measured segments to a predicted speed-up."""

from __future__ import annotations

import pytest
from tests.calibration.planted import PlantedEngine, relay, thought

from relaygen.calibration.pace import Pace, fit, measure
from relaygen.calibration.questions import Question
from relaygen.calibration.share import Effect
from relaygen.calibration.sites import Switching
from relaygen.types import LARGE, SMALL, Ending, Role, Segment, Trace, Usage


def segment(role: Role, tokens: int, seconds: float) -> Segment:
    return Segment(role=role, tokens=(1,) * tokens, text="", ending=Ending.CUE, seconds=seconds)


def trace(*segments: Segment) -> Trace:
    large, small = (sum(len(s.tokens) for s in segments if s.role is role) for role in (LARGE, SMALL))
    seconds = sum(s.seconds for s in segments)
    usage = Usage(large_tokens=large, small_tokens=small)
    return Trace(policy="", prompt=(), segments=segments, usage=usage, finish_reason="stop", seconds=seconds)


ALONE = [trace(segment(LARGE, 100, 10.0))]


def relayed(handover: float = 0.5, disturbed: float = 0.0) -> list[Trace]:
    """Large takes 0.1 s a token, small 0.02 s; every hand-over costs the same."""
    segments = [segment(LARGE, 5, 0.5)]
    for i, tokens in enumerate((10, 20, 30, 40, 50)):
        late = disturbed if i == 2 else 0.0
        segments.append(segment(SMALL, tokens, handover + 0.02 * tokens + late))
        segments.append(segment(LARGE, tokens, handover + 0.1 * tokens))
    return [trace(*segments)]


@pytest.mark.parametrize("disturbed", [0.0, 30.0])
def test_pace_and_hand_over_are_found_even_when_a_segment_was_interrupted(disturbed: float) -> None:
    pace = fit(ALONE, relayed(disturbed=disturbed))
    assert pace is not None
    assert (pace.large, pace.small, pace.handover) == pytest.approx((0.1, 0.02, 0.5))


def test_segments_of_one_length_give_a_pace_without_hand_over() -> None:
    pace = fit(ALONE, [trace(segment(LARGE, 10, 1.0), segment(SMALL, 10, 0.2), segment(LARGE, 10, 1.0))])
    assert pace is not None
    assert (pace.small, pace.handover) == pytest.approx((0.02, 0.0))


def test_without_small_there_is_nothing_to_predict() -> None:
    assert fit(ALONE, ALONE) is None


def test_the_speed_up_weighs_tokens_and_hand_overs() -> None:
    effect = Effect(traces=1, completion_tokens=100, offloaded=40, disagreements=0, answered=10, switches=4)
    assert Pace(0.1, 0.02, 0.25).speedup(effect) == pytest.approx(10 / (5 + 1 + 1))


@pytest.mark.anyio
async def test_large_alone_and_the_relay_run_in_turn_on_the_same_questions() -> None:
    text = thought("Let us see. Thus it is.")
    large, small = (PlantedEngine(lambda prompt: text[len(prompt) - 3 :]) for _ in Role)
    ticks: list[int] = []
    asked = [Question(f"q{i}", i, f"Q{i}") for i in range(2)]
    pace = await measure(relay(large, small), Switching().policy(["Thus"]), asked, ticks.append)
    assert pace is not None
    assert ticks == [1, 2]
    assert small.calls
