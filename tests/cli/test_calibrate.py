"""`relaygen calibrate` from the command line, on a planted pair."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.calibration.planted import PlantedEngine
from tests.calibration.test_run import pair, write

from relaygen.cli import main
from relaygen.profile import load_profile


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with questions to calibrate on; any reference opens a planted model."""

    def create(reference: str, *settings: Any) -> PlantedEngine:
        large, small = pair()
        return large if reference == "nano:large" else small

    monkeypatch.setattr("relaygen.relay.relay.create_engine", create)
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"question": f"What is {i}?"}) for i in range(12)]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    return tmp_path


def calibrate(*arguments: str, out: str = "pair.toml", n: int = 12) -> int:
    usual = ("--task", "questions.jsonl", "-n", str(n), "--scorer", "small", "--pace", "1", "--out", out)
    try:
        main(["calibrate", *usual, *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_profile_a_page_and_charts_are_written(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("--report", "cues.html", "--figures", "figures", "--date", "2026-11-22") == 0
    profile = load_profile("pair.toml")
    assert profile.cues == ("Thus",)
    assert profile.source is not None
    assert (profile.name, profile.source.task, profile.source.date) == ("pair", "questions", "2026-11-22")
    assert (planted / "cues.html").is_file()
    assert len(list((planted / "figures").iterdir())) == 4
    shown = capsys.readouterr().out
    assert "Predicted with these cues" in shown
    assert "speed-up" in shown


def test_the_same_command_gives_the_same_bytes(planted: Path) -> None:
    assert calibrate() == 0
    assert calibrate("--name", "pair", out="again.toml") == 0
    assert (planted / "pair.toml").read_bytes() == (planted / "again.toml").read_bytes()


def test_a_date_comes_from_the_environment_only_where_builds_set_one(
    planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate()
    assert "date" not in tomllib.loads((planted / "pair.toml").read_text())["source"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    calibrate()
    assert tomllib.loads((planted / "pair.toml").read_text())["source"]["date"] == "1970-01-02"


def test_cues_of_ones_own_and_of_a_profile_are_tried(planted: Path) -> None:
    assert calibrate("--no-listed", "--discover", "0", "--add", "Thus, this", "--add", "It") == 0
    assert load_profile("pair.toml").cues == ("Thus, this",)
    assert calibrate("--no-listed", "--discover", "0", "--profile", "qwen3-32b-1.7b", "--select", "paper") == 0
    assert load_profile("pair.toml").cues == ("Thus", "Thus,")


def test_a_wanted_share_prints_the_frontier(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("--large-share", "0.5") == 0
    shown = capsys.readouterr().out
    assert "The frontier" in shown
    assert "would refuse" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--large-share", "1.5"], "between 0 and 1"),
        (["--traces", "none.jsonl"], "can't be read"),
        (["--traces", "plain.jsonl"], "None of the 1 traces has a reasoning stage"),
        (["--add", " "], "must not be blank"),
        (["--profile", "nope"], "no profile 'nope'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_code_2(
    planted: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (planted / "plain.jsonl").write_text('{"prompt": "Q", "completion": "just 7"}\n')
    assert calibrate(*arguments) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_a_profile_must_be_a_toml_file(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(out="pair.json") == 2
    assert "ends in .toml" in capsys.readouterr().err


def test_more_questions_than_there_are(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(n=13) == 2
    assert "holds 12 questions" in capsys.readouterr().err


def test_the_planted_models_write_what_the_tests_expect() -> None:
    assert write("What is 1?|").startswith("<think>Okay")
