"""What each model sees: one list of ids, or one for each vocabulary."""

from __future__ import annotations

import pytest
from tests.pairs import bpe, listed, play, shape

from relaygen.engines.scripted import Line, ScriptedEngine, byte_tokenizer
from relaygen.errors import ContextError
from relaygen.policies import Commit, Draft, Write
from relaygen.relay.context import Context
from relaygen.relay.execute import TEXT_MODE
from relaygen.tokenizer import Tokenizer
from relaygen.types import LARGE, SMALL
from relaygen.until import cue, sentence_end, think_end, tokens

PAIR = (byte_tokenizer(), bpe())
POLICY = (
    Write(LARGE, cue(["So,"]) | think_end()),
    Write(SMALL, sentence_end()),
    Write(LARGE, think_end()),
    Write(SMALL),
)


def context(large: Tokenizer, small: Tokenizer, prompt: str = "Q", size: int = 99) -> Context:
    engines = {LARGE: ScriptedEngine([], tokenizer=large, context=size), SMALL: ScriptedEngine([], tokenizer=small)}
    return Context(engines, {role: engine.tokenizer.encode(prompt) for role, engine in engines.items()})


def test_with_one_vocabulary_ids_are_handed_over() -> None:
    shared = context(byte_tokenizer(), byte_tokenizer())
    shared.append(SMALL, [1, 2])
    assert shared.shared
    assert shared.ids(LARGE) is shared.ids(SMALL)
    assert (shared.position(LARGE), shared.room(LARGE)) == (2, 96)


def test_with_two_vocabularies_text_is_handed_over() -> None:
    mixed = context(*PAIR)
    mixed.append(SMALL, PAIR[1].encode("So, é漢</think>"))
    mixed.append(LARGE, PAIR[0].encode("12"))
    assert not mixed.shared
    assert [PAIR[i].decode(mixed.ids(role)) for i, role in enumerate((LARGE, SMALL))] == ["QSo, é漢</think>12"] * 2
    assert PAIR[1].id_of("</think>") in mixed.ids(SMALL)
    assert mixed.position(LARGE) == 12
    assert mixed.position(SMALL) < 12


def test_the_ends_of_sequence_of_both_models_count() -> None:
    other = Tokenizer(byte_tokenizer()._backend.to_str(), eos_ids=[257])
    assert context(byte_tokenizer(), other).eos(LARGE) == {256, 257}
    mixed = context(other, bpe())
    assert mixed.eos(LARGE) == {256, 257}
    assert mixed.eos(SMALL) == {0, 1}


def test_a_sequence_ended_by_the_other_models_token_is_over() -> None:
    other = Tokenizer(byte_tokenizer()._backend.to_str(), eos_ids=[257])
    played = play(listed(Write(SMALL)), small=["a<think>b"], tokenizers=(other, byte_tokenizer()), prompt="Q")
    assert shape(played.trace) == [(SMALL, "a", "eos")]


def test_a_prompt_must_fit_both_models() -> None:
    with pytest.raises(ContextError, match="The prompt has 4 tokens, but scripted has a context of 4"):
        context(byte_tokenizer(), bpe(), "four", size=4)


def test_a_relay_with_two_vocabularies_works_and_says_so() -> None:
    played = play(listed(*POLICY), ["Hm, é. So, no", "</think>"], [" is it 漢字? Then", "42"], tokenizers=PAIR)
    assert shape(played.trace) == [
        (LARGE, "Hm, é. So,", "cue"),
        (SMALL, " is it 漢字?", "sentence"),
        (LARGE, "</think>", "think_end"),
        (SMALL, "42", "eos"),
    ]
    assert played.trace.notes == (TEXT_MODE,)
    own = {LARGE: PAIR[0], SMALL: PAIR[1]}
    assert all(own[s.role].decode(s.tokens) == s.text for s in played.trace.segments)
    assert play(listed(Write(LARGE)), ["a"]).trace.notes == ()


@pytest.mark.parametrize("bound", [1, 2, 3])
def test_nobody_hands_over_half_a_character(bound: int) -> None:
    policy = listed(Write(LARGE, tokens(bound + 1)), Write(SMALL, think_end()), Write(SMALL))
    played = play(policy, ["a漢b"], ["字</think>", "!"], tokenizers=PAIR)
    # A character of three bytes: the tokens of one that is not complete are dropped.
    assert played.trace.text == ("a漢" if bound == 3 else "a") + "字</think>!"
    assert played.trace.usage.wasted_large == (0 if bound == 3 else bound)


def test_half_a_character_of_a_draft_is_not_taken() -> None:
    policy = listed(Draft(LARGE, tokens(4)), lambda past: Commit(past[0], 3), Write(SMALL))
    played = play(policy, ["a漢b"], ["字"], tokenizers=PAIR, prompt="Q")
    assert played.trace.text == "a字"
    assert played.trace.usage.wasted_large == 3


def test_with_one_vocabulary_a_character_may_be_shared() -> None:
    policy = listed(Write(LARGE, tokens(2)), Write(SMALL))
    raw = "漢".encode()
    played = play(policy, ["漢"], [Line("x")], prompt="Q")
    assert played.trace.text == "\N{REPLACEMENT CHARACTER}x"
    assert played.trace.segments[0].tokens == tuple(raw[:2])


def test_a_character_that_stays_incomplete_is_shown_at_the_end() -> None:
    played = play(listed(Write(LARGE, tokens(2))), ["漢"], prompt="Q")
    assert played.trace.text == "\N{REPLACEMENT CHARACTER}"
    assert played.generation.trace.text == played.trace.text  # asking twice adds nothing


def test_the_context_of_one_model_may_end_first() -> None:
    # To the byte model the text is longer than to the other, whose tokens the budget counts.
    long = "So, the sum is 12. " * 3
    policy = listed(Write(SMALL, max_tokens=2), Write(LARGE))
    played = play(policy, ["never"], [long], tokenizers=PAIR, context=15, prompt="Q")
    assert len(played.generation.context.ids(LARGE)) > 15
    assert (played.trace.finish_reason, played.large.calls) == ("length", [])
