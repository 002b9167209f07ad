"""What every dialect must do, on servers that follow a script."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.engines.openai.fakes import EXACT, OWNERS, PROMPT, TOKENIZER, FakeServer, Fault, engine_on
from tests.engines.openai.wires import LOGPROB, SECOND, other

from relaygen.engines.base import Params
from relaygen.engines.openai import ServerEngine, sglang
from relaygen.engines.openai.connect import short_name
from relaygen.errors import ContextError, ModelError, UsageError
from relaygen.types import GREEDY, Ending, Sampling, Token
from relaygen.until import Matcher, Until, cue, sentence_end, text, think_end, tokens

pytestmark = pytest.mark.anyio
PARAMS = Params(max_tokens=200, sampling=GREEDY, eos=TOKENIZER.eos_ids)
THOUGHT = "Thus, x is 3.5. So it dispatches. Now, done.</think> 42"


async def write(engine: ServerEngine, params: Params = PARAMS, until: Until | None = None) -> list[Token]:
    matcher = Matcher(until, engine.tokenizer) if until else None
    return [token async for token in engine.stream(engine.tokenizer.encode(PROMPT), params, matcher)]


def shown(engine: ServerEngine, written: list[Token]) -> str:
    return engine.tokenizer.decode(token.id for token in written)


@pytest.mark.parametrize("group", [1, 3, 100])
@pytest.mark.parametrize("dialect", EXACT)
async def test_ids_come_back_whatever_the_events_hold(dialect: str, group: int) -> None:
    server = FakeServer(dialect, "Grüße 😀, 東京!", group=group)
    written = await write(engine_on(server))
    assert [t.id for t in written] == TOKENIZER.encode("Grüße 😀, 東京!<|end|>")


@pytest.mark.parametrize("dialect", OWNERS)
async def test_the_kind_of_server_is_found_out(dialect: str) -> None:
    engine = engine_on(FakeServer(dialect, "yes"))
    assert engine.dialect.name == dialect
    assert engine.name == "fake-model"
    assert engine.exact == (dialect in EXACT)


@pytest.mark.parametrize("dialect", EXACT)
async def test_without_a_tokenizer_text_goes_over_the_wire(dialect: str) -> None:
    assert not engine_on(FakeServer(dialect, "yes"), tokenizer=False).exact


@pytest.mark.parametrize("group", [1, 4])
@pytest.mark.parametrize("tokenizer", [True, False])
@pytest.mark.parametrize("dialect", ["text", "ollama"])
async def test_text_servers_give_text_and_the_end_of_sequence(dialect: str, tokenizer: bool, group: int) -> None:
    engine = engine_on(FakeServer(dialect, "Grüße.</think> 42", group=group), tokenizer=tokenizer)
    written = await write(engine, replace(PARAMS, eos=engine.tokenizer.eos_ids))
    assert shown(engine, written) == "Grüße.</think> 42<|end|>"
    assert engine.tokenizer.id_of("</think>") in [t.id for t in written]


@pytest.mark.parametrize("dialect", OWNERS)
async def test_nothing_comes_after_the_condition_fired(dialect: str) -> None:
    engine = engine_on(FakeServer(dialect, THOUGHT, group=4))
    matcher = Matcher(think_end(), engine.tokenizer)
    written = [t async for t in engine.stream(engine.tokenizer.encode(PROMPT), PARAMS, matcher)]
    assert shown(engine, written) == THOUGHT.removesuffix(" 42")
    assert matcher.fired
    assert matcher.fired.ending is Ending.THINK_END


@pytest.mark.parametrize("dialect", EXACT)
async def test_a_server_that_stops_inside_a_word_is_asked_to_go_on(dialect: str) -> None:
    server = FakeServer(dialect, "It bestows, still stows, then: stop. Rest")
    engine = engine_on(server)
    matcher = Matcher(cue(["stows,"]) | think_end(), engine.tokenizer)
    written = [t async for t in engine.stream(engine.tokenizer.encode(PROMPT), PARAMS, matcher)]
    assert shown(engine, written) == "It bestows, still stows,"
    assert len(server.requests) == 2


@pytest.mark.parametrize("dialect", EXACT)
async def test_more_cues_than_the_server_takes_still_work(dialect: str) -> None:
    server = FakeServer(dialect, "Well. Then word499, and so on")
    engine = engine_on(server)
    written = await write(engine, until=cue([f"word{i}," for i in range(500)]))
    assert shown(engine, written) == "Well. Then word499,"
    assert len(server.requests[0]["stop"]) <= engine.dialect.stop_limit + 1


async def test_the_server_is_told_where_to_stop() -> None:
    server = FakeServer("vllm", THOUGHT)
    await write(engine_on(server), until=think_end() | text("\n\n") | sentence_end())
    sent = server.requests[0]
    assert sent["stop_token_ids"] == [256, TOKENIZER.id_of("</think>")]
    assert sent["stop"] == ["\n\n"]


@pytest.mark.parametrize("dialect", EXACT)
async def test_tokens_past_the_end_are_counted_and_not_shown(dialect: str) -> None:
    engine = engine_on(FakeServer(dialect, "Five. Six. Seven.", group=8))
    written = await write(engine, until=sentence_end())
    assert shown(engine, written) == "Five. "
    if dialect != "llama-server":
        assert engine.counts.overrun == 2


@pytest.mark.parametrize("dialect", OWNERS)
async def test_the_budget_is_kept(dialect: str) -> None:
    engine = engine_on(FakeServer(dialect, "a" * 50, group=7))
    assert len(await write(engine, replace(PARAMS, max_tokens=10))) == 10


async def test_a_condition_on_tokens_is_kept() -> None:
    assert len(await write(engine_on(FakeServer("vllm", "a" * 50, group=7)), until=tokens(9))) == 9


@pytest.mark.parametrize("dialect", EXACT)
async def test_the_most_probable_tokens_come_with_their_ids(dialect: str) -> None:
    engine = engine_on(FakeServer(dialect, "abc", group=2))
    for token in (await write(engine, replace(PARAMS, top=True)))[:3]:
        assert token.logprob == LOGPROB
        assert token.top == ((token.id, LOGPROB), (other(token.id), SECOND))


async def test_tokens_inside_a_character_have_a_margin_too() -> None:
    engine = engine_on(FakeServer("llama-server", "a😀b"))
    written = await write(engine, replace(PARAMS, top=True))
    assert [token.margin > 0.5 for token in written] == [True] * 7


async def test_text_servers_have_no_margins_to_give() -> None:
    with pytest.raises(UsageError, match="tells no probabilities"):
        await write(engine_on(FakeServer("ollama", "abc")), replace(PARAMS, top=True))


async def test_sglang_that_scales_probabilities_is_refused_for_margins() -> None:
    warm = replace(PARAMS, sampling=Sampling(temperature=0.6), top=True)
    with pytest.raises(UsageError, match="SGLANG_RETURN_ORIGINAL_LOGPROB"):
        await write(engine_on(FakeServer("sglang", "abc")), warm)


async def test_every_sampling_field_is_sent() -> None:
    for dialect in EXACT:
        server = FakeServer(dialect, "abc")
        await write(engine_on(server), replace(PARAMS, sampling=Sampling(top_k=0)))
        sent = server.requests[0]
        assert (sent["temperature"], sent["top_p"], sent["min_p"]) == (0.6, 0.95, 0.0)
        assert sent["top_k"] == (0 if dialect == "llama-server" else -1)


@pytest.mark.parametrize("dialect", EXACT)
async def test_each_segment_has_a_seed_of_its_own(dialect: str) -> None:
    server = FakeServer(dialect, "abc")
    for offset in (0, 1, 0):
        await write(engine_on(server), replace(PARAMS, offset=offset))
    first, second, again = (request["seed"] for request in server.requests)
    assert first == again != second


async def test_changed_prompt_ids_are_refused() -> None:
    with pytest.raises(Exception, match="changed the prompt's token ids"):
        await write(engine_on(FakeServer("vllm", "abc", echo_shift=1)))


@pytest.mark.parametrize("dialect", EXACT)
async def test_an_end_of_sequence_that_the_tokenizer_does_not_know_is_an_error(dialect: str) -> None:
    with pytest.raises(Exception, match="does not list as an end of sequence"):
        await write(engine_on(FakeServer(dialect, "abc")), replace(PARAMS, eos=frozenset({65})))


async def test_a_prompt_that_does_not_fit_costs_no_request() -> None:
    server = FakeServer("vllm", "abc", context=5)
    with pytest.raises(ContextError, match="has a context of 5"):
        await write(engine_on(server))
    assert server.requests == []


async def test_the_room_left_bounds_the_answer() -> None:
    server = FakeServer("vllm", "a" * 50, context=len(PROMPT) + 4)
    assert len(await write(engine_on(server))) == 4


def test_replicas_must_be_alike() -> None:
    with pytest.raises(UsageError, match="must be alike"):
        engine_on(FakeServer("vllm", "a"), FakeServer("sglang", "a"))


def test_a_model_that_is_not_served_is_named() -> None:
    with pytest.raises(UsageError, match="serves fake-model"):
        engine_on(FakeServer("vllm", "a"), model="other")


def test_no_server_is_one_clear_sentence() -> None:
    with pytest.raises(ModelError, match="No server answers for"):
        ServerEngine("http://127.0.0.1:9/v1")


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
async def test_scores_are_those_of_each_position(dialect: str) -> None:
    ids = TOKENIZER.encode("abcdef")
    scored = await engine_on(FakeServer(dialect, "")).score(ids, 2)
    assert [s.id for s in scored] == ids[2:]
    assert all(s.logprob == LOGPROB and s.top[1] == (other(s.id), SECOND) for s in scored)


async def test_sglang_scores_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sglang, "WINDOW", 4)
    server = FakeServer("sglang", "")
    ids = TOKENIZER.encode("abcdefghijk")
    scored = await engine_on(server).score(ids)
    assert [s.id for s in scored] == ids[1:]
    assert [(r["logprob_start_len"], len(r["input_ids"])) for r in server.requests] == [(0, 5), (4, 9), (8, 11)]


async def test_a_score_that_fails_for_a_moment_is_asked_for_again() -> None:
    engine = engine_on(FakeServer("vllm", "", faults=[Fault("status", status=503)]))
    assert len(await engine.score(TOKENIZER.encode("abc"))) == 2


async def test_vllm_is_not_asked_to_score_what_might_exhaust_it() -> None:
    with pytest.raises(UsageError, match="--max-num-batched-tokens 1024"):
        await engine_on(FakeServer("vllm", ""), score_tokens=5).score(TOKENIZER.encode("abcdefgh"))


@pytest.mark.parametrize("dialect", ["llama-server", "text", "ollama"])
async def test_servers_that_can_not_score_say_so(dialect: str) -> None:
    with pytest.raises(UsageError, match="score with vLLM, SGLang or a local model"):
        await engine_on(FakeServer(dialect, "")).score([1, 2, 3])


@pytest.mark.parametrize("dialect", OWNERS)
async def test_warming_writes_nothing(dialect: str) -> None:
    server = FakeServer(dialect, "abc")
    engine = engine_on(server)
    await engine.warm(engine.tokenizer.encode(PROMPT))
    assert all(not request.get("stream") for request in server.requests)
    assert len(server.requests) == engine.exact


@pytest.mark.parametrize(("model", "name"), [("/models/q.gguf", "q"), ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B")])
def test_traces_name_models_and_no_folders(model: str, name: str) -> None:
    assert short_name(model) == name


async def test_a_text_server_never_shares_ids_with_another_model() -> None:
    engine = engine_on(FakeServer("text", "abc"))
    assert engine.tokenizer.fingerprint != TOKENIZER.fingerprint
    assert engine.tokenizer.encode("abc") == TOKENIZER.encode("abc")


async def test_health_tells_which_servers_answer() -> None:
    servers = [FakeServer("vllm", "x"), FakeServer("vllm", "x")]
    engine = engine_on(*servers)
    assert await engine.health() == [True, True]
    servers[1].down = True
    assert await engine.health() == [True, False]
    await engine.aclose()
