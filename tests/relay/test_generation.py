"""The relay loop: what holds for every policy."""

from __future__ import annotations

import pytest
from tests.pairs import listed, play, shape

from relaygen.engines.scripted import EOS, Line
from relaygen.errors import ContextError, EngineError
from relaygen.policies import Ask, Asked, Commit, Draft, Drafted, Insert, Instruction, Write
from relaygen.relay import Options
from relaygen.relay.generation import PATIENCE
from relaygen.types import LARGE, SMALL, Ended, Ending, Segment, Usage, Written
from relaygen.until import cue, sentence_end, think_end, tokens

ANSWER = Write(SMALL)
REASON = Write(LARGE, think_end())


def test_a_policy_reads_like_the_paper_and_the_trace_too() -> None:
    policy = listed(Write(LARGE, cue(["So,"]) | think_end()), Write(SMALL, sentence_end()), REASON, ANSWER)
    played = play(policy, ["Hm. So, never", "Good.</think>"], [" it is 3. Then", "\n3"])
    assert shape(played.trace) == [
        (LARGE, "Hm. So,", "cue"),
        (SMALL, " it is 3.", "sentence"),
        (LARGE, "Good.</think>", "think_end"),
        (SMALL, "\n3", "eos"),
    ]
    assert [s.why for s in played.trace.segments] == ["So,", "ender", "", ""]
    assert (played.trace.finish_reason, played.trace.switches) == ("stop", 3)
    assert (played.trace.reasoning, played.trace.answer) == ("Hm. So, it is 3.Good.</think>", "\n3")


def test_the_budget_ends_a_generation() -> None:
    played = play(listed(REASON, ANSWER), ["abcdef"], options=Options(max_tokens=4))
    assert shape(played.trace) == [(LARGE, "abcd", "length")]
    assert played.trace.finish_reason == "length"
    assert played.large.produced == 4


def test_the_budget_may_end_with_the_thinking() -> None:
    played = play(listed(REASON, ANSWER), ["ab</think>"], ["c"], options=Options(max_tokens=3))
    assert (played.trace.text, played.trace.finish_reason) == ("ab</think>", "length")
    assert played.small.calls == []


def test_the_context_of_either_model_bounds_the_budget() -> None:
    played = play(listed(Write(LARGE), ANSWER), ["x" * 50], prompt="Q <think>", context=20)
    assert (len(played.trace.prompt), played.trace.usage.completion_tokens) == (3, 17)
    assert played.trace.finish_reason == "length"


def test_a_prompt_that_does_not_fit_is_an_error_before_any_work() -> None:
    with pytest.raises(ContextError, match="has 3 tokens, but large has a context of 3"):
        play(listed(ANSWER), prompt="Q <think>", context=3)


def test_a_segment_may_have_a_limit_of_its_own() -> None:
    played = play(listed(Write(LARGE, max_tokens=2), REASON, ANSWER), ["abc", "d</think>"], ["e"])
    assert played.generation.policy.answers[0].ending is Ending.TOKENS  # type: ignore[attr-defined]
    assert played.trace.text == "abd</think>e"


def test_no_room_for_a_token_is_no_call() -> None:
    played = play(listed(Write(LARGE, max_tokens=0), REASON), ["a</think>"])
    assert (played.trace.text, len(played.large.calls)) == ("a</think>", 1)


def test_min_tokens_hold_back_cues_but_not_the_end_of_thinking() -> None:
    policy = listed(
        Write(LARGE, cue(["So,"]) | think_end(), min_tokens=3), Write(SMALL, sentence_end()), REASON, ANSWER
    )
    assert play(policy, ["So, a So, b"], ["!"]).trace.segments[0].text == "So, a So,"
    assert play(listed(Write(LARGE, think_end(), min_tokens=9), ANSWER), ["</think>"], ["a"]).trace.answer == "a"


def test_an_end_of_sequence_is_not_part_of_the_text() -> None:
    played = play(listed(REASON, ANSWER), ["a</think>"], ["b"])
    assert EOS not in played.trace.text
    assert played.trace.usage == Usage(prompt_tokens=21, large_tokens=2, small_tokens=1)


def test_a_missing_end_of_thinking_is_put_in() -> None:
    played = play(listed(REASON, ANSWER), ["ab"], ["c"])
    assert [(s.text, s.inserted, s.thinking) for s in played.trace.segments] == [
        ("ab", False, True),
        ("\n</think>\n\n", True, True),
        ("c", False, False),
    ]
    told = played.generation.policy.answers[0]  # type: ignore[attr-defined]
    assert (told.ending, told.why, told.text) == (Ending.THINK_END, "end of sequence", "ab")
    assert played.trace.usage.inserted_tokens == 4


def test_a_missing_end_of_thinking_that_does_not_fit_ends_the_generation() -> None:
    played = play(listed(REASON, ANSWER), ["ab"], ["c"], options=Options(max_tokens=5))
    assert (played.trace.text, played.trace.finish_reason) == ("ab", "length")


def test_an_end_of_sequence_behind_a_sentence_is_given_back() -> None:
    policy = listed(Write(LARGE, sentence_end()), Write(SMALL))
    played = play(policy, ["Done."], ["!"], prompt="Q")
    assert shape(played.trace) == [(LARGE, "Done.", "sentence"), (SMALL, "!", "eos")]
    assert played.trace.usage.wasted_large == 1


def test_an_end_of_sequence_counts_before_a_limit_that_it_reaches() -> None:
    played = play(listed(Write(SMALL, tokens(2)), Write(LARGE)), ["b"], ["a"], prompt="Q")
    assert shape(played.trace) == [(SMALL, "a", "eos")]


def test_an_engine_that_has_no_more_room_ends_the_generation() -> None:
    assert play(listed(ANSWER), small=[Line("ab", ends=False)]).trace.finish_reason == "length"


def test_a_policy_that_has_no_more_to_say_ends_the_generation() -> None:
    assert play(listed(REASON), ["a</think>"]).trace.finish_reason == "stop"
    assert play(listed()).trace.segments == ()


@pytest.mark.parametrize(("prompt", "thinking"), [("A: <think>", True), ("A: <think>\n\n</think>\n\n", False)])
def test_the_prompt_tells_whether_there_is_a_reasoning_stage(prompt: str, thinking: bool) -> None:
    played = play(listed(Write(LARGE), ANSWER), ["a</think>"], ["b"], prompt=prompt)
    assert [s.thinking for s in played.trace.segments] == ([True, False] if thinking else [False])


def test_a_tag_in_the_question_opens_nothing() -> None:
    played = play(listed(Write(LARGE)), ["It is a tag."], prompt="user: what is <think>?\nassistant: ")
    assert (played.trace.answer, played.trace.reasoning) == ("It is a tag.", "")


def test_a_model_may_open_the_reasoning_itself() -> None:
    played = play(listed(REASON, ANSWER), ["\n<think>a</think>"], ["b"], prompt="A: ")
    assert (played.trace.reasoning, played.trace.answer) == ("\n<think>a</think>", "b")
    assert play(listed(REASON, ANSWER), ["<think>a"], ["b"], prompt="A: ").trace.answer == "b"


def test_a_model_that_answers_at_once_writes_the_answer() -> None:
    policy = listed(Write(LARGE, cue(["So,"]) | think_end()), Write(SMALL, sentence_end() | think_end()), ANSWER)
    played = play(policy, ["Hi. So, yes"], [" it is."], prompt="A: ")
    assert played.trace.answer == played.trace.text == "Hi. So, it is."
    assert {event.thinking for event in played.events if isinstance(event, Written)} == {False}


def test_who_waits_for_the_end_of_thinking_when_it_is_over_is_told_at_once() -> None:
    policy = listed(REASON, Write(SMALL, think_end()), Draft(SMALL, think_end()), ANSWER)
    played = play(policy, ["a</think>"], ["b"])
    segment, draft = policy.answers[1:3]
    assert isinstance(segment, Segment)
    assert isinstance(draft, Drafted)
    assert segment == draft.segment
    assert (segment.ending, segment.tokens, draft.tokens) == (Ending.THINK_END, (), ())
    assert shape(played.trace)[1:] == [(SMALL, "b", "eos")]


def test_a_draft_is_taken_or_wasted() -> None:
    policy = listed(Draft(SMALL, max_tokens=4), Draft(SMALL, max_tokens=3), lambda past: Commit(past[1], 2), REASON)
    played = play(policy, ["!</think>"], ["abcdef", "uvwxyz"])
    assert shape(played.trace) == [(SMALL, "uv", "tokens"), (LARGE, "!</think>", "think_end")]
    assert played.trace.usage == Usage(prompt_tokens=21, large_tokens=2, small_tokens=2, wasted_small=5)
    assert played.small.produced == 7


def test_a_whole_draft_ends_as_it_ended() -> None:
    policy = listed(Draft(SMALL, sentence_end() | think_end()), lambda past: Commit(past[0]), REASON)
    played = play(policy, ["</think>"], ["One. Two"])
    assert shape(played.trace)[0] == (SMALL, "One.", "sentence")
    assert (played.trace.segments[0].overrun, played.trace.usage.wasted_small) == (1, 1)


def test_a_draft_that_ends_thinking_or_sequence_does_so_when_it_is_taken() -> None:
    take = lambda past: Commit(past[-1])  # noqa: E731
    policy = listed(Draft(SMALL), take, Draft(SMALL), take, ANSWER)
    played = play(policy, small=["a</think>", "b", "never"])
    assert (played.trace.text, played.trace.finish_reason) == ("a</think>b", "stop")
    assert played.trace.usage.wasted_small == 0


def test_taking_a_draft_keeps_to_the_budget() -> None:
    draft = Draft(SMALL, max_tokens=4)
    policy = listed(draft, lambda past: Commit(past[0]), lambda past: Commit(past[0]), ANSWER)
    played = play(policy, small=["abcdef"], options=Options(max_tokens=6))
    assert (played.trace.text, played.trace.finish_reason) == ("abcdab", "length")


def test_inserted_text_belongs_to_nobody() -> None:
    policy = listed(Insert("Hm. ", LARGE), REASON, Insert("\n\n", SMALL), Insert("", LARGE), ANSWER)
    played = play(policy, ["a</think>"], ["b"])
    assert [(s.text, s.inserted) for s in played.trace.segments] == [
        ("Hm. ", True),
        ("a</think>", False),
        ("\n\n", True),
        ("b", False),
    ]
    assert played.trace.usage == Usage(prompt_tokens=21, large_tokens=2, small_tokens=1, inserted_tokens=6)


def test_thinking_may_be_ended_by_an_insertion() -> None:
    played = play(listed(Insert("Enough.\n</think>\n\n", LARGE), ANSWER), small=["b"])
    assert (played.trace.reasoning, played.trace.answer) == ("Enough.\n</think>\n\n", "b")


def test_a_question_leaves_no_mark_on_the_context() -> None:
    policy = listed(Write(LARGE, tokens(2)), Ask(SMALL, "Sure? ", max_tokens=3), REASON, ANSWER)
    played = play(policy, ["abc", "d</think>"], ["Yes, I am", "e"])
    asked = policy.answers[1]
    assert isinstance(asked, Asked)
    assert asked.text == "Yes"
    assert played.trace.text == "abd</think>e"
    assert played.trace.usage.wasted_small == 3
    assert played.small.tokenizer.decode(played.small.calls[0]).endswith("abSure? ")


@pytest.mark.parametrize("instruction", [Write(SMALL, max_tokens=0), Draft(SMALL), Insert("", SMALL)])
def test_a_policy_that_gets_nowhere_is_stopped(instruction: Instruction) -> None:
    wait = Write(SMALL, think_end())
    with pytest.raises(EngineError, match=f"listed gave {PATIENCE + 1} instructions that wrote nothing"):
        play(listed(REASON, *[wait, instruction] * PATIENCE), ["a</think>"], ["</think>"] * 40)


def test_what_is_no_instruction_is_refused() -> None:
    with pytest.raises(TypeError, match="listed yielded 'go', which is not an instruction"):
        play(listed("go"))  # type: ignore[arg-type]


def test_each_instruction_that_writes_ends_once() -> None:
    policy = listed(Write(LARGE, tokens(1)), Write(LARGE, tokens(1)), REASON, ANSWER)
    played = play(policy, ["ab", "cd", "e</think>"], ["f"])
    pieces = [event.segment.text for event in played.events if isinstance(event, Ended)]
    assert pieces == ["a", "c", "e</think>", "f"]
    assert [s.text for s in played.trace.segments] == ["ace</think>", "f"]
