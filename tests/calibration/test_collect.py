"""Traces: kept as they come, never written twice, and read from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.calibration.planted import TEMPLATE, PlantedEngine, relay, thought

from relaygen.calibration.collect import collect, read_traces
from relaygen.calibration.questions import Question
from relaygen.chat import ChatTemplate
from relaygen.engines.scripted import Line, byte_tokenizer
from relaygen.errors import EngineError, UsageError
from relaygen.relay import Relay

pytestmark = pytest.mark.anyio
ASKED = [Question(f"t/{i}", i, f"Q{i}", lambda answer: "7" in answer) for i in range(5)]


class Pen:
    """Answers every question, and fails at the one that `breaks` names."""

    def __init__(self, breaks: str = "") -> None:
        self.asked: list[str] = []
        self.breaks = breaks

    def __call__(self, prompt: str) -> str | Line:
        if "</think>" in prompt:
            return "\\boxed{7}<|end|>"
        self.asked.append(prompt)
        text = thought(f"Thus {prompt} is clear.")
        return Line(text, fail_after=3) if prompt == self.breaks else text


def pair(pen: Pen, **options: Any) -> Relay:
    return relay(PlantedEngine(pen, name="L"), PlantedEngine(pen, name="S"), **options)


async def test_every_question_is_answered_by_large_alone(tmp_path: Path) -> None:
    pen = Pen()
    traces = await collect(pair(pen), ASKED, tmp_path / "t.jsonl")
    assert pen.asked == [f"Q{i}|" for i in range(5)]
    assert [t.problem for t in traces] == [q.id for q in ASKED]
    assert all(t.solved for t in traces)
    assert byte_tokenizer().decode(traces[2].tokens) == thought("Thus Q2| is clear.").removesuffix("<|end|>")


async def test_a_run_that_died_goes_on_and_writes_only_the_one_in_flight_again(tmp_path: Path) -> None:
    first, second = Pen(breaks="Q3|"), Pen()
    with pytest.raises(EngineError):
        await collect(pair(first), ASKED, tmp_path / "t.jsonl")
    done: list[int] = []
    traces = await collect(pair(second), ASKED, tmp_path / "t.jsonl", tick=done.append)
    assert second.asked == ["Q3|", "Q4|"]
    assert done == [3, 4, 5]
    whole = await collect(pair(Pen()), ASKED, tmp_path / "other.jsonl")
    assert [t.tokens for t in traces] == [t.tokens for t in whole]


async def test_traces_come_in_the_order_of_the_questions_however_many_run_at_once(tmp_path: Path) -> None:
    traces = await collect(pair(Pen()), ASKED, tmp_path / "t.jsonl", concurrency=3)
    assert [t.problem for t in traces] == [q.id for q in ASKED]


async def test_a_failure_among_several_is_one_plain_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="as its script says"):
        await collect(pair(Pen(breaks="Q1|")), ASKED, tmp_path / "t.jsonl", concurrency=3)


async def test_more_problems_later_keep_what_is_there(tmp_path: Path) -> None:
    await collect(pair(Pen()), ASKED[:2], tmp_path / "t.jsonl")
    pen = Pen()
    assert len(await collect(pair(pen), ASKED, tmp_path / "t.jsonl")) == 5
    assert len(pen.asked) == 3


async def test_traces_of_other_settings_are_refused(tmp_path: Path) -> None:
    await collect(pair(Pen()), ASKED[:1], tmp_path / "t.jsonl")
    with pytest.raises(UsageError, match="max_tokens"):
        await collect(pair(Pen(), max_tokens=99), ASKED, tmp_path / "t.jsonl")


async def test_our_own_file_can_be_read_as_traces_of_any_system(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written = await collect(pair(Pen()), ASKED, path)
    read = read_traces(path, None, byte_tokenizer())
    assert [(t.problem, t.prompt, t.tokens) for t in read] == [(t.problem, t.prompt, t.tokens) for t in written]


@pytest.mark.parametrize(
    "row", [{"question": "Q1"}, {"messages": [{"role": "user", "content": "Q1"}]}, {"prompt": "Q1|"}]
)
def test_a_prompt_may_be_rendered_or_not(tmp_path: Path, row: dict[str, Any]) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(row | {"completion": thought("a.")}))
    (trace,) = read_traces(tmp_path / "t.jsonl", ChatTemplate(TEMPLATE), byte_tokenizer())
    assert byte_tokenizer().decode(trace.prompt) == "Q1|"
    assert 256 not in trace.tokens  # the end of the sequence is not part of it


def test_the_same_prompt_is_the_same_problem_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"prompt": "Q|"}, {"prompt": "Q|"}, {"prompt": "Q|", "id": 3}]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(r | {"completion": "x"}) for r in rows))
    assert [t.problem for t in read_traces(tmp_path / "t.jsonl", None, byte_tokenizer())] == ["Q|", "Q|", "3"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no traces"),
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 should hold a JSON object"),
        ('{"prompt": "Q"}', "line 1 has no text in the field completion"),
        ('{"completion": "x"}', "line 1 has none of the fields"),
        ('{"completion": "x", "question": "Q"}', "no chat template"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(UsageError, match=said):
        read_traces(tmp_path / "t.jsonl", None, byte_tokenizer())


def test_line_breaks_of_unicode_within_a_text_do_not_end_the_line(tmp_path: Path) -> None:
    text = json.dumps({"prompt": "Q|", "completion": "one\u2028two\x85"}, ensure_ascii=False)
    (tmp_path / "t.jsonl").write_text(text + "\n", encoding="utf-8")
    (trace,) = read_traces(tmp_path / "t.jsonl", None, byte_tokenizer())
    assert byte_tokenizer().decode(trace.tokens) == "one\u2028two\x85"


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_traces(tmp_path / "none.jsonl", None, byte_tokenizer())
