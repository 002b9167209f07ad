"""A model that is gone, and the other that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError
from relaygen.policies.relaygen import RelayGen
from relaygen.profile import Profile
from relaygen.relay import Generation, Options
from relaygen.types import GREEDY, LARGE, SMALL, Event, Finished, Trace, Written

pytestmark = pytest.mark.anyio
POLICY = RelayGen(Profile(name="test", cues=("Thus,",)), min_tokens=0)
PROMPT = "Q: what? A: <think>\n"


def generation(large: Sequence[str | Line], small: Sequence[str | Line], options: Options) -> Generation:
    engines = {LARGE: ScriptedEngine(large), SMALL: ScriptedEngine(small)}
    prompt = engines[LARGE].tokenizer.encode(PROMPT)
    return Generation(POLICY, engines, dict.fromkeys(engines, prompt), options)


async def run(large: Sequence[str | Line], small: Sequence[str | Line], **options: Any) -> tuple[Trace, str]:
    """The trace, and the text as it was shown."""
    made = generation(large, small, Options(sampling=GREEDY, **options))
    events: list[Event] = [event async for event in made.events()]
    shown = "".join(event.text for event in events if isinstance(event, Written))
    assert isinstance(events[-1], Finished)
    return events[-1].trace, shown


async def test_large_takes_over_where_small_broke() -> None:
    large = ["First. Thus,", " or three.</think>", "42"]
    trace, shown = await run(large, [Line(" the sum of x", fail_after=8)], on_small_failure="large")
    assert trace.degraded
    assert trace.notes[-1] == "The small model (scripted) failed and the large one went on."
    assert trace.text == shown
    assert trace.text.startswith("First. Thus, the su")
    assert trace.text.endswith("42")


async def test_nothing_that_was_shown_is_lost_or_repeated() -> None:
    for fails in range(12):
        large = ["First. Thus,", "|rest of it.</think>", "42"]
        trace, shown = await run(large, [Line(" abcdefghijkl", fail_after=fails)], on_small_failure="large")
        kept = " abcdefghijkl"[: max(fails - 1, 0)]  # the newest token waits until it is certain
        assert trace.text == shown == f"First. Thus,{kept}|rest of it.</think>42"
        assert sum(len(segment.tokens) for segment in trace.segments) == trace.usage.completion_tokens


async def test_small_goes_on_when_large_is_gone() -> None:
    trace, shown = await run([Line("Hm", fail_after=0)], ["So it is.</think>", "42"], on_large_failure="small")
    assert trace.degraded
    assert trace.text == shown == "So it is.</think>42"
    assert trace.usage.large_tokens == 0


async def test_without_leave_a_failure_is_an_error_with_what_was_shown() -> None:
    made = generation(["First. Thus,"], [Line(" abc", fail_after=3)], Options(sampling=GREEDY))
    shown: list[str] = []

    async def watch() -> None:
        async for event in made.events():
            shown.append(event.text if isinstance(event, Written) else "")

    with pytest.raises(EngineError) as caught:
        await watch()
    assert caught.value.trace
    assert caught.value.trace.text == "".join(shown) == "First. Thus, a"
    assert not caught.value.trace.degraded


async def test_when_both_are_gone_the_generation_fails() -> None:
    broken = [Line("x", fail_after=0)]
    with pytest.raises(EngineError):
        await run(broken, broken, on_small_failure="large", on_large_failure="small")


async def test_a_whole_generation_is_not_degraded() -> None:
    trace, _ = await run(["Well.</think>"], ["42"], on_small_failure="large")
    assert not trace.degraded
