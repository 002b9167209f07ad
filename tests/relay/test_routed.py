"""Engines made of both models: one instruction, and the trace says token by token who wrote it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pairs import drained, listed

from relaygen.engines.base import Engine, Params
from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError
from relaygen.policies import Commit, Draft, Policy, Write
from relaygen.relay import Generation, Options
from relaygen.types import LARGE, SMALL, Ended, Ending, Event, Finished, Role, Segment, Token, Trace, Written
from relaygen.until import Matcher, tokens

pytestmark = pytest.mark.anyio
SECONDS = 100.0  # that a token claims to have taken


class Mixed(ScriptedEngine):
    """Capitals are large's, everything else is small's; each capital replaces a token of small's."""

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        async for token in super().stream(prompt, params, until):
            capital = self.tokenizer.decode([token.id]).isupper()
            assert params.tally
            params.tally.replaced += capital
            yield token._replace(role=LARGE if capital else SMALL, seconds=SECONDS)


async def played(policy: Policy, *lines: str | Line, options: Options | None = None) -> tuple[list[Event], Generation]:
    engines: dict[Role, Engine] = {LARGE: Mixed(lines, name="mixed"), SMALL: ScriptedEngine([], name="small")}
    prompt = engines[LARGE].tokenizer.encode("user: Q\nassistant: <think>\n")
    generation = Generation(policy, engines, dict.fromkeys(Role, prompt), options or Options(repetition_guard=False))
    return await drained(generation.events()), generation


def trace_of(events: list[Event]) -> Trace:
    assert isinstance(events[-1], Finished)
    return events[-1].trace


async def test_segments_usage_and_switches_go_by_who_wrote_a_token() -> None:
    events, _ = await played(listed(Write(LARGE, tokens(8))), "abCDefGh")
    trace = trace_of(events)
    assert [(s.role, s.text, s.ending) for s in trace.segments] == [
        (SMALL, "ab", Ending.ROUTED),
        (LARGE, "CD", Ending.ROUTED),
        (SMALL, "ef", Ending.ROUTED),
        (LARGE, "G", Ending.ROUTED),
        (SMALL, "h", Ending.TOKENS),
    ]
    assert (trace.usage.large_tokens, trace.usage.small_tokens, trace.usage.wasted_small) == (3, 5, 3)
    assert (trace.switches, trace.large_share) == (4, 3 / 8)
    assert [event.segment.text for event in events if isinstance(event, Ended)] == ["ab", "CD", "ef", "G", "h"]


async def test_a_segment_took_as_long_as_its_tokens() -> None:
    events, _ = await played(listed(Write(LARGE, tokens(5))), "abCde")
    assert [s.seconds for s in trace_of(events).segments[:2]] == [2 * SECONDS, SECONDS]
    assert trace_of(events).segments[2].seconds < SECONDS, "what is left of the instruction's own time"


@given(text=st.text("abAB", min_size=1, max_size=40))
async def test_nothing_is_lost_or_counted_twice(text: str) -> None:
    events, generation = await played(listed(Write(LARGE, tokens(len(text)))), text)
    trace = trace_of(events)
    assert trace.text == text == "".join(event.text for event in events if isinstance(event, Written))
    assert [s.text for s in trace.segments] == ["".join(run) for _, run in groupby(text, str.isupper)]
    assert generation.context.ids(SMALL)[len(trace.prompt) :] == list(trace.tokens)


async def test_the_policy_is_told_how_the_instruction_ended() -> None:
    policy = listed(Write(LARGE, tokens(3)), Write(LARGE, tokens(1)))
    await played(policy, "aBc", "D")
    assert [(segment.role, segment.text, segment.ending) for segment in policy.answers] == [
        (SMALL, "c", Ending.TOKENS),
        (LARGE, "D", Ending.TOKENS),
    ]


async def test_the_end_of_thinking_is_inserted_where_it_lacks() -> None:
    events, _ = await played(listed(Write(LARGE), Write(LARGE)), "aB", "c")
    assert trace_of(events).text == "aB\n</think>\n\nc"
    assert trace_of(events).usage.completion_tokens == len(trace_of(events).tokens)


async def test_a_draft_that_is_taken_keeps_its_writers() -> None:
    policy = listed(Draft(LARGE, tokens(4)), lambda answers: Commit(answers[0], 3))
    events, _ = await played(policy, "aBcD")
    assert [(s.role, s.text) for s in trace_of(events).segments] == [(SMALL, "a"), (LARGE, "B"), (SMALL, "c")]
    segment: Segment = policy.answers[1]
    assert (segment.role, segment.text) == (SMALL, "c")


async def test_what_was_written_before_a_failure_stays() -> None:
    with pytest.raises(EngineError) as caught:
        await played(listed(Write(LARGE, tokens(9))), Line("abCDef", fail_after=5))
    assert caught.value.trace is not None
    assert caught.value.trace.text in ("abCD", "abCDe")
    assert caught.value.trace.usage.large_tokens == 2


async def test_the_other_model_goes_on_behind_everything_that_was_written() -> None:
    options = Options(on_large_failure="small", repetition_guard=False)
    policy = listed(Write(LARGE, tokens(9)), Write(SMALL, tokens(1)))
    events, generation = await played(policy, Line("abCDef", fail_after=5), options=options)
    trace = trace_of(events)
    assert trace.text.startswith("abCD")
    assert trace.degraded
    assert generation.context.ids(SMALL)[len(trace.prompt) :] == list(trace.tokens)
