"""A path that ends in .gguf: llama.cpp's server in this process, with the small embedded model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from tests.servers.conftest import PROFILE

from relaygen.engines import EngineSettings, create_engine
from relaygen.engines.base import Params
from relaygen.engines.openai import ServerEngine
from relaygen.engines.openai.gguf import SAMPLE
from relaygen.engines.openai.gguf_tokenizer import tokenizer_of
from relaygen.engines.servers import ServerSettings
from relaygen.errors import ModelError, UsageError
from relaygen.relay import Options, Relay
from relaygen.tokenizer import Tokenizer
from relaygen.types import GREEDY, SMALL, Token
from relaygen.until import Matcher, Until, cue, sentence_end, think_end

pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
pytest.importorskip("gguf", reason="the extra gguf is not installed")
pytestmark = [pytest.mark.anyio, pytest.mark.server]
QUESTION = "Solve for x: x + 5 = 13"
SETTINGS = EngineSettings(context=1024, sequences=2, threads=1)


@pytest.fixture
def checkpoint(folders: dict[str, Path]) -> Path:
    return folders[SMALL]


@pytest.fixture
def model(files: dict[str, Path]) -> Path:
    return files[SMALL]


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[ServerEngine]:
    made = create_engine(str(model), SETTINGS)
    assert isinstance(made, ServerEngine)
    yield made
    await made.aclose()


def prompt_of(engine: ServerEngine) -> list[int]:
    assert engine.template
    return engine.tokenizer.encode(engine.template.render(QUESTION))


async def write(
    engine: ServerEngine,
    until: Until | None = None,
    *,
    top: bool = True,
    prompt: list[int] | None = None,
    most: int = 60,
) -> list[Token]:
    params = Params(max_tokens=most, sampling=GREEDY, eos=engine.tokenizer.eos_ids, top=top)
    matcher = Matcher(until, engine.tokenizer) if until else None
    return [token async for token in engine.stream(prompt or prompt_of(engine), params, matcher)]


async def test_the_engine_knows_its_model(engine: ServerEngine) -> None:
    assert (engine.name, engine.dialect.name, engine.exact) == ("nano-small", "llama-server", True)
    assert engine.context == SETTINGS.context


def test_the_tokenizer_in_the_file_is_the_model_s(model: Path, checkpoint: Path) -> None:
    original, read = Tokenizer.load(checkpoint), tokenizer_of(model)
    assert read.encode(SAMPLE) == original.encode(SAMPLE)
    assert read.eos_ids >= original.eos_ids
    assert read.id_of("</think>") == original.id_of("</think>")


async def test_cutting_into_segments_changes_nothing_when_greedy(engine: ServerEngine) -> None:
    whole = [token.id for token in await write(engine)]
    ids: list[int] = []
    while len(ids) < len(whole):
        piece = await write(engine, sentence_end(), prompt=prompt_of(engine) + ids, most=len(whole) - len(ids))
        ids += [token.id for token in piece]
    assert ids == whole
    assert engine.counts.cached > 0


async def test_the_server_stops_by_itself_at_a_cue(engine: ServerEngine) -> None:
    whole = engine.tokenizer.decode(token.id for token in await write(engine))
    word = whole.split(",")[0].split()[-1] + ","
    written = await write(engine, cue([word]) | think_end())
    assert engine.tokenizer.decode(token.id for token in written).endswith(word)
    assert engine.counts.overrun == 0


async def test_margins_come_with_every_token(engine: ServerEngine) -> None:
    for token in await write(engine, most=10):
        assert len(token.top) == 2
        assert token.top[0].id == token.id
        assert 0 <= token.margin <= 1


async def test_no_id_is_missing_where_characters_have_several_tokens(engine: ServerEngine) -> None:
    """A grammar makes the model write them; the server leaves their ids out of its stream."""
    text = "a😀b€ 東京!"
    client, seen = engine.clients[0], client_with(engine, text)
    written = await write(seen, most=40)
    assert engine.tokenizer.decode(token.id for token in written).startswith(text)
    whole = await client.call(
        "/completion",
        {"prompt": prompt_of(engine), "grammar": grammar(text), "n_predict": 40, "return_tokens": True}
        | {"temperature": 0, "samplers": ["temperature"]},
    )
    assert [token.id for token in written] == whole["tokens"]
    assert seen.counts.requests == 1
    await seen.aclose()


def grammar(text: str) -> str:
    return f"root ::= {json.dumps(text, ensure_ascii=False)}"


def client_with(engine: ServerEngine, text: str) -> ServerEngine:
    """The same server, asked with a grammar."""
    other = ServerEngine(engine.clients[0].url, engine.settings, tokenizer=engine.tokenizer)
    body = other.dialect._body  # type: ignore[attr-defined]
    other.dialect._body = lambda span: body(span) | {"grammar": grammar(text)}  # type: ignore[attr-defined]
    return other


async def test_closing_the_stream_frees_the_slot(engine: ServerEngine) -> None:
    params = Params(max_tokens=900, sampling=GREEDY)  # no end of sequence: it would run on
    stream = engine.stream(prompt_of(engine), params)
    await anext(stream)
    assert await engine.dialect.running(engine.clients[0]) == 1
    await stream.aclose()
    with anyio.fail_after(5):
        while await engine.dialect.running(engine.clients[0]):
            await anyio.lowlevel.checkpoint()


async def test_warming_fills_the_cache(engine: ServerEngine) -> None:
    prompt = prompt_of(engine)
    await engine.warm(prompt)
    await write(engine, prompt=prompt, most=1)
    assert engine.counts.cached == len(prompt) - 1


async def test_scoring_is_refused_with_advice(engine: ServerEngine) -> None:
    with pytest.raises(UsageError, match="score with vLLM, SGLang or a local model"):
        await engine.score(prompt_of(engine))


def test_a_pair_of_files_relays(model: Path) -> None:
    options = Options(sampling=GREEDY, max_tokens=300)
    with Relay.open(str(model), str(model), profile=PROFILE, options=options, settings=SETTINGS) as relay:
        trace = relay.generate(QUESTION)
        alone = relay.generate(QUESTION, policy="large")
    assert trace.tokens == alone.tokens  # one model in both roles, greedy: who writes changes nothing
    assert trace.usage.small_tokens > 0
    assert trace.notes == ()


async def test_text_mode_gives_the_same_text(engine: ServerEngine) -> None:
    text = ServerEngine(engine.clients[0].url, ServerSettings(dialect="text", context=1024))
    prompt = engine.tokenizer.decode(prompt_of(engine)) + "<think>\n"
    params = Params(max_tokens=40, sampling=GREEDY, eos=text.tokenizer.eos_ids)
    spelled = [t.id async for t in text.stream(text.tokenizer.encode(prompt), params)]
    exact = await write(engine, prompt=engine.tokenizer.encode(prompt), most=40)
    await text.aclose()
    pair = text.tokenizer.decode(spelled), engine.tokenizer.decode(token.id for token in exact)
    assert min(pair, key=len) == max(pair, key=len)[: len(min(pair, key=len))]  # their tokens are counted differently
    assert len(min(pair, key=len)) > 20


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "tokenizer.json").write_text((checkpoint / "tokenizer.json").read_text())
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF nonsense")
    with pytest.raises(ModelError, match=r"can't load .*broken\.gguf"):
        create_engine(str(broken), SETTINGS)
