"""A real server of any kind, at the address in RELAYGEN_TEST_SERVER, with the checkpoint RELAYGEN_TEST_CHECKPOINT.

`make test-servers` starts vLLM for it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
import pytest

from relaygen.engines import create_engine
from relaygen.engines.base import Engine, Params
from relaygen.engines.openai import ServerEngine
from relaygen.engines.openai.probes import Verdict, findings
from relaygen.engines.servers import ServerSettings
from relaygen.relay import Options, Relay
from relaygen.types import GREEDY, LARGE, SMALL, Token
from relaygen.until import Matcher, Until, margin_below, sentence_end, think_end

pytestmark = [pytest.mark.anyio, pytest.mark.server]
QUESTION = "Solve for x: x + 5 = 13"
TIE = 0.02  # margin below which rounding may choose another token


def named(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        pytest.skip(f"{variable} is not set")
    return value


@pytest.fixture
def settings() -> ServerSettings:
    return ServerSettings(tokenizer=named("RELAYGEN_TEST_CHECKPOINT"))


@pytest.fixture
async def engine(settings: ServerSettings) -> AsyncIterator[ServerEngine]:
    made = ServerEngine(named("RELAYGEN_TEST_SERVER"), settings)
    yield made
    await made.aclose()


async def write(
    engine: Engine, prompt: list[int], until: Until | None = None, *, most: int = 120, top: bool = True
) -> list[Token]:
    matcher = Matcher(until, engine.tokenizer) if until else None
    params = Params(max_tokens=most, sampling=GREEDY, eos=engine.tokenizer.eos_ids, top=top)
    return [token async for token in engine.stream(prompt, params, matcher)]


def prompt_of(engine: Engine) -> list[int]:
    assert engine.template
    return engine.tokenizer.encode(engine.template.render(QUESTION))


def same_but_for_ties(a: list[Token], b: list[Token]) -> bool:
    """Equal up to the first position where the margin is too small to tell."""
    for left, right in zip(a, b, strict=False):
        if left.id != right.id:
            return left.margin < TIE
    return True


async def test_no_probe_fails(engine: ServerEngine) -> None:
    bad = [finding async for finding in findings(engine) if finding.verdict in (Verdict.FAILED, Verdict.WARNING)]
    assert bad == []


async def test_segments_join_to_the_whole(engine: ServerEngine) -> None:
    prompt = prompt_of(engine)
    whole = await write(engine, prompt)
    pieces: list[Token] = []
    while len(pieces) < len(whole):
        ids = prompt + [token.id for token in pieces]
        pieces += await write(engine, ids, sentence_end() | think_end(), most=len(whole) - len(pieces))
    assert same_but_for_ties(whole, pieces)


async def test_the_server_agrees_with_the_model_in_this_process(engine: ServerEngine) -> None:
    local = create_engine(named("RELAYGEN_TEST_MODEL"))
    prompt = prompt_of(engine)
    assert same_but_for_ties(await write(local, prompt), await write(engine, prompt))
    await local.aclose()


async def test_a_low_margin_stops_at_once(engine: ServerEngine) -> None:
    written = await write(engine, prompt_of(engine), margin_below(0.5))
    assert all(token.margin >= 0.5 for token in written[:-1])


async def test_many_streams_at_once_are_kept_apart(engine: ServerEngine) -> None:
    prompt = prompt_of(engine)
    alone = await write(engine, prompt, most=24)
    found: list[list[Token]] = []

    async def one() -> None:
        found.append(await write(engine, prompt, most=24))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(one)
    assert all(same_but_for_ties(alone, other) for other in found)


def test_a_pair_on_one_server_relays(settings: ServerSettings) -> None:
    url = named("RELAYGEN_TEST_SERVER")
    options = Options(sampling=GREEDY, max_tokens=300)
    servers = {LARGE: settings, SMALL: settings}
    with Relay.open(url, url, profile="nano", options=options, servers=servers) as relay:
        trace = relay.generate(QUESTION)
        alone = relay.generate(QUESTION, policy="large")
    assert trace.notes == ()
    assert trace.usage.small_tokens > 0
    assert trace.text[:40] == alone.text[:40]
