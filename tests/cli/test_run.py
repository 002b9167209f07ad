"""`relaygen run`."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path

import pytest
from tests.cli.console import call, scripts, start

from relaygen.engines.scripted import byte_tokenizer
from relaygen.relay.execute import TEXT_MODE
from relaygen.traces import trace_from_json

LARGE = '["Hm, [b]é[/b] :smile: So, no", "\\t3.</think>"]'
SMALL = '[" it is 3. Then", "\\n42"]'
TEXT = "Hm, [b]é[/b] :smile: So, it is 3.\t3.</think>\n42"


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    return scripts(tmp_path, LARGE, SMALL)


def test_the_output_is_the_completion_and_a_line_break(capsys: pytest.CaptureFixture[str], pair: list[str]) -> None:
    assert call(capsys, "run", "Q", *pair) == (0, TEXT + "\n", "")


def test_the_whole_trace_is_one_object(capsys: pytest.CaptureFixture[str], pair: list[str]) -> None:
    data = json.loads(call(capsys, "run", "Q", "--json", "--seed", "7", *pair).out)
    assert (data["text"], data["finish_reason"], data["seed"]) == (TEXT, "stop", 7)
    assert [(s["role"], s["text"], s["ending"]) for s in data["segments"]] == [
        ("large", "Hm, [b]é[/b] :smile: So,", "cue"),
        ("small", " it is 3.", "sentence"),
        ("large", "\t3.</think>", "think_end"),
        ("small", "\n42", "eos"),
    ]
    assert all(isinstance(s["tokens"], list) and s["seconds"] >= 0 for s in data["segments"])
    assert data["usage"]["completion_tokens"] == data["usage"]["large_tokens"] + data["usage"]["small_tokens"]
    assert data["models"] == {"large": "scripted:large", "small": "scripted:small"}
    trace = trace_from_json(data)
    assert (trace.text, trace.switches, trace.reasoning) == (data["text"], data["switches"], data["reasoning"])


def test_the_question_may_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pair: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("What is é?\nReally?"))
    data = json.loads(call(capsys, "run", "-", "--json", *pair).out)
    assert byte_tokenizer().decode(data["prompt"]) == "user: What is é?\nReally?\nassistant: <think>\n"


def test_flags_reach_the_generation(capsys: pytest.CaptureFixture[str], pair: list[str]) -> None:
    assert call(capsys, "run", "Q", "--policy", "small", *pair).out == " it is 3. Then\n</think>\n\n\n42\n"
    assert call(capsys, "run", "Q", "--max-tokens", "3", *pair).out == "Hm,\n"
    assert call(capsys, "run", "Q", "--stop", "2", "--stop", "x", *pair).out == TEXT[:-1] + "\n"
    assert call(capsys, "run", "Q", "--no-thinking", *pair).out == " it is 3. Then\n"


def test_a_question_may_look_like_a_flag(capsys: pytest.CaptureFixture[str], pair: list[str]) -> None:
    assert call(capsys, "run", *pair, "--", "-5+3?").code == 0


def test_two_tokenizers_work_and_are_noted(
    capsys: pytest.CaptureFixture[str], pair: list[str], nano_small: Path
) -> None:
    flags = ["--max-tokens", "40", "--large", pair[1], "--small", str(nano_small)]
    called = call(capsys, "run", "What is 2 + 3?", "--json", *flags)
    data = json.loads(called.out)
    assert (called.code, called.err, data["notes"]) == (0, "", [TEXT_MODE])
    assert data["text"].startswith("Hm, [b]é[/b] :smile: So,")
    assert {s["role"] for s in data["segments"]} == {"large", "small"}


def test_an_engine_that_fails_is_one_sentence_and_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flags = scripts(tmp_path, '[{text = "abc", fail_after = 2}]', "[]")
    called = call(capsys, "run", "Q", *flags)
    assert (called.code, called.err) == (
        1,
        "relaygen: The large model (scripted:large) failed: scripted:large failed, as its script says.\n",
    )


def test_a_reader_that_leaves_causes_no_noise(tmp_path: Path) -> None:
    words = "".join(f"w{i} " for i in range(30_000))
    process = start("run", "Q", "--context", "1000000", *scripts(tmp_path, f'["{words}"]', "[]"))
    assert process.stdout
    assert process.stderr
    assert process.stdout.read(1) == b"w"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_an_interrupt_is_one_line_and_code_130(tmp_path: Path) -> None:
    process = start("run", "Q", *scripts(tmp_path, f'[{{text = "{"a" * 99}z", delay = 0.1}}]', "[]"))
    assert process.stdout
    assert process.stdout.read(1) == b"a"
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate()
    assert (process.returncode, err) == (130, b"relaygen: interrupted\n")
    assert b"z" not in rest  # the first letter came when it was written, not at the end
