"""The engine that plays back what it is told."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from relaygen.engines import EngineSettings, Params, create_engine
from relaygen.engines.scripted import EOS, Line, ScriptedEngine, byte_tokenizer, load_script
from relaygen.errors import ContextError, EngineError, ModelError
from relaygen.types import Token
from relaygen.until import Matcher, sentence_end, text

pytestmark = pytest.mark.anyio
END = byte_tokenizer().eos_ids


async def played(engine: ScriptedEngine, prompt: str = "Q", **params: object) -> str:
    settings = Params(**{"max_tokens": 99, "eos": END, **params})  # type: ignore[arg-type]
    return decoded([token async for token in engine.stream(engine.tokenizer.encode(prompt), settings)])


def decoded(tokens: list[Token]) -> str:
    return byte_tokenizer().decode(token.id for token in tokens)


async def test_each_call_plays_the_next_line_and_ends_the_sequence() -> None:
    engine = ScriptedEngine(["One", Line("é", ends=False), f"Two{EOS}never"])
    assert [await played(engine) for _ in range(4)] == [f"One{EOS}", "é", f"Two{EOS}", EOS]
    assert engine.calls == [(81,)] * 4
    assert engine.produced == 4 + 2 + 4 + 1


async def test_a_callable_sees_the_prompt() -> None:
    assert await played(ScriptedEngine(lambda prompt: prompt[::-1]), "ab</think>") == f">kniht/<ba{EOS}"


async def test_it_keeps_to_limits() -> None:
    assert await played(ScriptedEngine(["abc"]), max_tokens=2) == "ab"
    assert await played(ScriptedEngine(["abc"], context=4), "QQ") == "ab"
    with pytest.raises(ContextError, match="has 3 tokens, but scripted has room for 3"):
        await played(ScriptedEngine(["abc"], context=3), "QQQ")


async def test_until_ends_a_line() -> None:
    engine = ScriptedEngine(["One. Two"])
    matcher = Matcher(sentence_end(), engine.tokenizer)
    stream = engine.stream([81], Params(max_tokens=99), matcher)
    assert decoded([token async for token in stream]) == "One. "
    assert matcher.fired


async def test_margins_are_told_when_they_are_asked_for() -> None:
    engine = ScriptedEngine([Line("abc", margins=(0.5, 0.1))] * 2)
    tokens = [token async for token in engine.stream([81], Params(max_tokens=3, top=True))]
    assert [round(token.margin, 6) for token in tokens] == [0.5, 0.1, 0.1]
    assert all(token.logprob == token.top[0].logprob for token in tokens)
    assert [token.top async for token in engine.stream([81], Params(max_tokens=3))] == [()] * 3


async def test_it_fails_when_it_is_told_to() -> None:
    engine = ScriptedEngine([Line("abc", fail_after=2)])
    stream = engine.stream([81], Params(max_tokens=9))
    assert decoded([await anext(stream), await anext(stream)]) == "ab"
    with pytest.raises(EngineError, match="scripted failed"):
        await anext(stream)
    assert engine.running == 0


async def test_closing_a_stream_stops_it() -> None:
    engine = ScriptedEngine(["abc"])
    async with aclosing(engine.stream([81], Params(max_tokens=9), Matcher(text("x"), engine.tokenizer))) as stream:
        await anext(stream)
        assert engine.running == 1
    assert (engine.running, engine.produced) == (0, 1)


async def test_scores_follow_the_script() -> None:
    scored = await ScriptedEngine([Line("", margins=(0.3, 0.2))]).score([5, 6, 7, 8], start=2)
    assert [(s.id, round(s.margin, 6)) for s in scored] == [(7, 0.3), (8, 0.2)]


async def test_it_remembers_what_it_was_told() -> None:
    engine = ScriptedEngine([])
    await engine.warm([1, 2])
    await engine.aclose()
    assert (engine.warmed, engine.closed) == ([(1, 2)], True)


def test_its_template_opens_the_reasoning_or_closes_it() -> None:
    template = ScriptedEngine([]).template
    assert template
    assert template.render("Q") == "user: Q\nassistant: <think>\n"
    assert template.render("Q", thinking=False).endswith("assistant: <think>\n\n</think>\n\n")


def test_a_script_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_text('lines = ["One", {text = "Two", margins = [0.1], delay = 0.5, fail_after = 3, ends = false}]')
    assert load_script(path) == ["One", Line("Two", (0.1,), 0.5, 3, False)]
    engine = create_engine(f"scripted:{path}", EngineSettings(context=77))
    assert (engine.name, engine.context) == ("scripted:large", 77)


@pytest.mark.parametrize("content", ["", "lines = 3", "lines = [1]", "lines = [", "lines = [{delay = 1}]", "line = []"])
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(content)
    with pytest.raises(ModelError, match="should hold a list named lines"):
        create_engine(f"scripted:{path}")
