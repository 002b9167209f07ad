"""The commands, from the shell's side: what they print, write and refuse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.evals.runs import plant

from relaygen.cli import main
from relaygen.evals.reading import LOG, LogReader

QUESTIONS = [("2+2?", "4"), ("3+3?", "6"), ("4+4?", "8")]


def call(*arguments: object) -> int:
    """The exit code of a command."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def pair(tmp_path: Path) -> list[object]:
    """Flags of a pair that has the answers to the questions by heart; small has one wrong."""
    for name, answers in (("large", ["4", "6", "8"]), ("small", ["4", "6", "9"])):
        lines = [line for answer in answers for line in ("Hm.</think>", f"It is \\\\boxed{{{answer}}}")]
        quoted = ", ".join(f'"{line}"' for line in lines)
        (tmp_path / f"{name}.toml").write_text(f"lines = [{quoted}]\n", encoding="utf-8")
    return ["--large", f"scripted:{tmp_path}/large.toml", "--small", f"scripted:{tmp_path}/small.toml"]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A file with the questions."""
    path = tmp_path / "sums.jsonl"
    rows = [{"question": question, "answer": f"#### {answer}"} for question, answer in QUESTIONS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def evaluate(pair: Sequence[object], task: Path, out: Path, *more: object) -> int:
    policies = ("--policy", "large", "--policy", "small")
    return call("eval", "--task", task, *pair, *policies, "--out", out, *more)


def test_eval_report_and_the_log(
    pair: list[object], task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert evaluate(pair, task, out) == 0
    printed = capsys.readouterr()
    assert "100.0 %" in printed.out
    assert "66.7 %" in printed.out
    assert "relaygen report" in printed.err
    results = list(LogReader(out / LOG).results())
    assert [r.score.correct for r in results if r.score and r.policy == "small"] == [True, True, False]
    assert call("report", out) == 0
    assert "<!doctype html>" in (out / "report.html").read_text(encoding="utf-8")


def test_eval_again_only_says_what_is_there(
    pair: list[object], task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(pair, task, tmp_path / "run")
    before = len(list(LogReader(tmp_path / "run" / LOG).results()))
    capsys.readouterr()
    assert evaluate(pair, task, tmp_path / "run") == 0
    assert "6 of 6 answers are in" in capsys.readouterr().err
    assert len(list(LogReader(tmp_path / "run" / LOG).results())) == before


def test_eval_refuses_another_configuration(
    pair: list[object], task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(pair, task, tmp_path / "run")
    assert evaluate(pair, task, tmp_path / "run", "--budget", 99) == 2
    assert "max_tokens was 32768, now it is 99" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--samples", "0"), "number of samples must be between"),
        (("--limit", "0"), "number of samples must be between"),
        (("--epochs", "0"), "epochs must be at least 1"),
        (("--concurrency", "0"), "concurrency must be at least 1"),
        (("--budget", "5", "--max-tokens", "6"), "are the same setting"),
        (("--policy", "lage"), "There is no policy 'lage'"),
        (("--task", "nowhere.csv"), "nowhere.csv can't be read"),
    ],
)
def test_eval_refuses_in_one_sentence(
    pair: list[object],
    task: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    message: str,
) -> None:
    assert evaluate(pair, task, tmp_path / "run", *flags) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_report_prints_markdown_and_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path)
    assert call("report", tmp_path, "--markdown") == 0
    assert "| relaygen | 50.0 % (" in capsys.readouterr().out
    assert call("report", tmp_path, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 4
    assert not (tmp_path / "report.html").exists()


def test_report_writes_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path)
    assert call("report", tmp_path, "--html", tmp_path / "page.html", "--browse", 0) == 0
    assert (tmp_path / "page.html").exists()
    assert call("report", tmp_path, "--html", tmp_path / "no" / "page.html") == 2
    assert "can't be written" in capsys.readouterr().err


def test_compare_prints_a_line_for_each_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path / "a")
    plant(tmp_path / "b", seconds=2.0)
    assert call("compare", tmp_path / "a", tmp_path / "b") == 0
    assert "0.50×" in capsys.readouterr().out
    assert call("compare", tmp_path / "a", tmp_path / "b", "--markdown") == 0
    assert "| relaygen | 12 | " in capsys.readouterr().out
    assert call("compare", tmp_path / "a", tmp_path / "nowhere") == 2


def test_bench_measures_a_policy(
    pair: list[object], task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--task", task, "--policy", "large", "--requests", 2, "--concurrency", 1)
    assert call("bench", *pair, *flags, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    (level,) = found["levels"]
    assert (level["concurrency"], level["requests"], level["errors"]) == (1, 2, 0)
    assert level["tokens"] > 10
    assert "large on scripted:" in found["about"]["target"]


def test_bench_prints_a_table(
    pair: list[object], task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("bench", *pair, "--task", task, "--policy", "large", "--requests", 1, "--concurrency", 1, 2) == 0
    assert "90th and 99th percentile" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("--requests", "0"), 2, "must be at least 1"),
        (("--concurrency", "0"), 2, "must be at least 1"),
        (("--endpoint", "http://127.0.0.1:9/v1"), 2, "--endpoint and --model together"),
        (("--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--policy", "large"), 2, "either a policy"),
        (("--endpoint", "http://127.0.0.1:9/v1", "--model", "m"), 1, "Every request failed"),
    ],
)
def test_bench_refuses_in_one_sentence(
    task: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], code: int, message: str
) -> None:
    assert call("bench", "--task", task, *flags) == code
    assert message in capsys.readouterr().err
