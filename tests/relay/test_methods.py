"""The methods of other papers, run by the relay on scripted models."""

from __future__ import annotations

import pytest

from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.policies import Ask, Asked, Read, create_policy
from relaygen.policies.base import Draft, Drafted, Steps, Write
from relaygen.profile import Profile
from relaygen.relay import Generation, Options
from relaygen.types import GREEDY, LARGE, SMALL, Finished, Scored, Trace

pytestmark = pytest.mark.anyio

PROFILE = Profile(name="test", cues=("Thus,",))
PROMPT = "Q: what? A: <think>\n"


def engines(large: list[str | Line], small: list[str | Line]) -> tuple[ScriptedEngine, ScriptedEngine]:
    return ScriptedEngine(large, name="large"), ScriptedEngine(small, name="small")


async def run(policy: str, large: list[str | Line], small: list[str | Line]) -> Trace:
    return await finished(create_policy(policy, PROFILE), engines(large, small))


async def finished(policy: object, pair: tuple[ScriptedEngine, ScriptedEngine]) -> Trace:
    both = dict(zip((LARGE, SMALL), pair, strict=True))
    prompts = dict.fromkeys(both, pair[0].tokenizer.encode(PROMPT))
    generation = Generation(policy, both, prompts, Options(sampling=GREEDY))  # type: ignore[arg-type]
    events = [event async for event in generation.events()]
    assert isinstance(events[-1], Finished)
    return events[-1].trace


def roles(trace: Trace) -> list[tuple[str, str]]:
    return [(segment.role.value, segment.text) for segment in trace.segments]


async def test_specreason_keeps_good_steps_and_has_bad_ones_rewritten() -> None:
    small: list[str | Line] = ["Good.\n\nrest", "Bad.\n\nrest", "</think>", "42"]
    large: list[str | Line] = ["9", "1", "Better.\n\nrest", "8", "8"]
    trace = await run("specreason", large, small)
    assert roles(trace) == [("small", "Good.\n\n"), ("large", "Better.\n\n"), ("small", "</think>"), ("small", "42")]
    assert trace.usage.wasted_large == 4  # the marks
    assert trace.usage.wasted_small == len("Bad.\n\n")


async def test_the_judge_reads_the_step_and_its_question_leaves_no_trace() -> None:
    large, small = engines(["9", "9"], ["Step.\n\n", "</think>"])
    await finished(create_policy("specreason", PROFILE), (large, small))
    judged = large.tokenizer.decode(large.calls[0])
    assert judged.startswith(PROMPT + "Step.\n\n\n\nBefore I go on")
    assert small.tokenizer.decode(small.calls[1]) == PROMPT + "Step.\n\n"


async def test_an_answer_tells_the_chances_of_its_first_token() -> None:
    answers: list[object] = []
    large, small = engines([Line("7", margins=(0.4,))], [])

    class Asking:
        name = "asking"

        def run(self) -> Steps:
            answers.append((yield Ask(LARGE, "How good? ", max_tokens=1)))

    trace = await finished(Asking(), (large, small))
    (asked,) = answers
    assert isinstance(asked, Asked)
    assert asked.text == "7"
    assert asked.chances == pytest.approx({"7": 0.7, "8": 0.3})
    assert trace.tokens == ()


@pytest.mark.parametrize("room", [True, False])
async def test_reading_a_draft_leaves_the_context_alone(room: bool) -> None:
    answers: list[tuple[Scored, ...]] = []
    large, small = engines([Line("", margins=(0.4, 0.2, 0.6))], ["abc"])
    large.context = large.context if room else len(large.tokenizer.encode(PROMPT)) + 2

    class Reading:
        name = "reading"

        def run(self) -> Steps:
            draft = yield Draft(SMALL, max_tokens=2)
            answers.append((yield Read(LARGE, draft)))

    trace = await finished(Reading(), (large, small))
    assert [(s.id, round(s.margin, 6)) for s in answers[0]] == ([(97, 0.4), (98, 0.2)] if room else [])
    assert trace.tokens == ()
    assert (trace.usage.wasted_large, trace.usage.wasted_small) == (0, 2)


async def test_small_is_guarded_token_by_token() -> None:
    sentence = Line(" 9 * 9 = 80. ", margins=(0.9,) * 10 + (0.1,))
    trace = await run("guarded", ["Now. Thus,", "1", "</think>"], [sentence, ". ", "42"])
    assert roles(trace) == [
        ("large", "Now. Thus,"),
        ("small", " 9 * 9 = 8"),
        ("large", "1"),
        ("small", "."),
        ("large", "</think>"),
        ("small", "42"),
    ]
    assert trace.usage.wasted_small >= 1


async def test_a_question_that_does_not_fit_is_answered_with_nothing() -> None:
    large, small = engines(["9", "Step.</think>", "42"], ["Step.\n\n", "42"])
    large.context = len(PROMPT) + 40
    trace = await finished(create_policy("specreason", PROFILE), (large, small))
    assert trace.segments[0].text == "9"  # large wrote its line as the step: it was not asked


async def test_speculative_thinking_hands_over_where_a_peek_is_in_doubt() -> None:
    small: list[str | Line] = [
        "First.\n\nmore",
        "Wait, is it so?",
        "Then.\n\nmore",
        "Now the units add",
        "So.</think>",
        "42",
    ]
    trace = await run("speculative-thinking", ["Alternatively, 4 + 4", "verified"], small)
    assert roles(trace)[:3] == [
        ("small", "First.\n\n"),
        ("large", "Alternatively, 4 + 4"),
        ("small", "Then.\n\nSo.</think>"),
    ]
    assert trace.usage.wasted_small == len("Wait, is it so?") + len("Now the units add")
    assert trace.answer == "42"


async def test_entropy_first_lets_large_write_the_steps_that_begin_in_doubt() -> None:
    small: list[str | Line] = ["S", "o it is.\n\nmore", Line("T", margins=(0.1,)), "</think>", "42"]
    trace = await run("entropy-first", ["Hm.\n\nmore"], small)
    assert roles(trace) == [("small", "So it is.\n\n"), ("large", "Hm.\n\n"), ("small", "</think>"), ("small", "42")]


async def test_a_draft_after_the_end_of_thinking_is_empty_where_it_waits_for_it() -> None:
    from relaygen.until import think_end

    drafts: list[Drafted] = []

    class Late:
        name = "late"

        def run(self) -> Steps:
            yield Write(SMALL)
            drafts.append((yield Draft(SMALL, until=think_end())))
            yield Write(SMALL)

    trace = await finished(Late(), engines([], ["So.</think>", "42"]))
    assert drafts[0].tokens == ()
    assert trace.answer == "42"
