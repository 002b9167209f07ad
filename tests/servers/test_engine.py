"""One model on a real server: what the engine promises, and what the server's own numbers say about it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from tests.servers.conftest import RealPair

from relaygen.engines import create_engine
from relaygen.engines.base import Engine, Params
from relaygen.engines.openai import ServerEngine
from relaygen.engines.openai.base import metric
from relaygen.errors import UsageError
from relaygen.types import GREEDY, LARGE, Token
from relaygen.until import Matcher, Until, cue, margin_below, sentence_end, think_end

pytestmark = [pytest.mark.anyio, pytest.mark.server]
QUESTION = "Solve for x: x + 5 = 13"
TIE = 0.001  # margin below which another batch may choose another token
NEAR = 0.02  # difference in probability that other kernels may make
BLOCK = {"vllm": 32, "llama-server": 1}  # tokens; caches are reused in such steps
HITS = {"vllm": "vllm:prefix_cache_hits_total", "llama-server": "llamacpp:prompt_tokens_cached_total"}


@pytest.fixture
async def engine(pair: RealPair) -> AsyncIterator[ServerEngine]:
    made = pair.engine(LARGE)
    yield made
    await made.aclose()


async def write(
    engine: Engine, prompt: list[int], until: Until | None = None, *, most: int = 80, top: bool = True
) -> list[Token]:
    matcher = Matcher(until, engine.tokenizer) if until else None
    params = Params(max_tokens=most, sampling=GREEDY, eos=engine.tokenizer.eos_ids, top=top)
    return [token async for token in engine.stream(prompt, params, matcher)]


def prompt_of(engine: Engine, question: str = QUESTION) -> list[int]:
    assert engine.template
    return engine.tokenizer.encode(engine.template.render(question))


def ids(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


def same_but_for_ties(a: list[Token], b: list[Token]) -> bool:
    """Equal up to the first position where the margin is too small to tell."""
    return next((left.margin < TIE for left, right in zip(a, b, strict=False) if left.id != right.id), True)


async def test_segments_join_to_the_whole(engine: ServerEngine) -> None:
    prompt = prompt_of(engine)
    whole = await write(engine, prompt)
    pieces: list[Token] = []
    while len(pieces) < len(whole):
        pieces += await write(engine, prompt + ids(pieces), sentence_end() | think_end(), most=len(whole) - len(pieces))
    assert same_but_for_ties(whole, pieces)


async def test_the_server_stops_by_itself_at_a_cue(engine: ServerEngine) -> None:
    prompt = prompt_of(engine)
    whole = engine.tokenizer.decode(ids(await write(engine, prompt)))
    word = whole.split(",")[0].split()[-1] + ","
    written = await write(engine, prompt, cue([word]) | think_end())
    assert engine.tokenizer.decode(ids(written)).endswith(word)
    assert engine.counts.overrun == 0


async def test_a_low_margin_stops_at_once(engine: ServerEngine) -> None:
    written = await write(engine, prompt_of(engine), margin_below(0.9))
    assert all(token.margin >= 0.9 for token in written[:-1])
    assert written[-1].margin < 0.9


async def test_streams_at_once_are_kept_apart(engine: ServerEngine) -> None:
    prompt = prompt_of(engine)
    alone = await write(engine, prompt, most=24)
    found: list[list[Token]] = []

    async def one() -> None:
        found.append(await write(engine, prompt, most=24))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(one)
    assert all(same_but_for_ties(alone, other) for other in found)


async def test_closing_the_stream_frees_the_slot(engine: ServerEngine) -> None:
    params = Params(max_tokens=1500, sampling=GREEDY)  # no end of sequence: it would run on
    async with aclosing(engine.stream(prompt_of(engine), params)) as stream:
        for _ in range(3):
            await anext(stream)
        await becomes(1, lambda: engine.dialect.running(engine.clients[0]))
    await becomes(0, lambda: engine.dialect.running(engine.clients[0]))


async def becomes(wanted: int, measure: Callable[[], Awaitable[int | None]]) -> None:
    """Waits until a server's metrics say so: they come a little later than its tokens."""
    with anyio.fail_after(10):
        while await measure() != wanted:
            await anyio.lowlevel.checkpoint()


async def test_a_second_segment_finds_its_prompt_in_the_cache(
    engine: ServerEngine, pair: RealPair, found: list[str]
) -> None:
    """After another model's sentence, the server reads that sentence and at most one block more."""
    prompt = prompt_of(engine, f"{QUESTION}. {'And once more, slowly. ' * 6}")
    first = prompt + ids(await write(engine, prompt, most=40))
    sentence = engine.tokenizer.encode(" So the result is thirteen, as the other one says.")
    before, hits = engine.counts.cached, await hits_of(engine, pair.kind)
    await write(engine, first + sentence, most=4)
    cached = engine.counts.cached - before
    found.append(f"{pair.kind}: {cached} of {len(first)} known tokens from the cache, {len(sentence)} new ones read")
    assert len(first) - BLOCK[pair.kind] - 1 <= cached <= len(first)
    await becomes(hits + cached, lambda: hits_of(engine, pair.kind))


async def hits_of(engine: ServerEngine, kind: str) -> int:
    """The server's own count of tokens that it found in its cache."""
    count = metric(await engine.clients[0].text("/metrics"), HITS[kind])
    assert count is not None
    return count


async def test_warming_fills_the_cache(engine: ServerEngine, pair: RealPair) -> None:
    prompt = prompt_of(engine, f"{QUESTION}. {'Take all the time that it needs. ' * 6}")
    await engine.warm(prompt)
    await write(engine, prompt, most=1)
    assert engine.counts.cached >= len(prompt) - 1 - BLOCK[pair.kind]


async def test_scores_are_those_of_the_same_weights_in_this_process(
    vllm: RealPair, references: dict[str, Path], found: list[str]
) -> None:
    server, local = vllm.engine(LARGE), create_engine(str(references[LARGE]))
    prompt = prompt_of(local)
    text = prompt + ids(await write(local, prompt, most=150))
    ours, theirs = await local.score(text), await server.score(text)
    off = max(abs(math.exp(a.logprob) - math.exp(b.logprob)) for a, b in zip(ours, theirs, strict=True))
    margins = max(abs(a.margin - b.margin) for a, b in zip(ours, theirs, strict=True))
    found.append(
        f"vllm, scoring {len(text)} tokens: probabilities differ by {off:.1e}, margins by {margins:.1e} at most"
    )
    assert max(off, margins) < NEAR
    await server.aclose()
    await local.aclose()


async def test_llama_server_does_not_score_and_says_who_does(llama: RealPair) -> None:
    engine = llama.engine(LARGE)
    with pytest.raises(UsageError, match="score with vLLM, SGLang or a local model"):
        await engine.score(prompt_of(engine))
    await engine.aclose()
