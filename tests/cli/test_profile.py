"""`relaygen profile`: show, diff, merge, check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relaygen.cli import main
from relaygen.engines import fingerprint
from relaygen.engines.scripted import ScriptedEngine
from relaygen.profile import CueStatistics, Evidence, Fingerprints, Profile, load_profile, save_profile

ENTRY = CueStatistics(
    cue="Thus",
    verdict="selected",
    occurrences=12,
    traces=6,
    problems=6,
    tokens=120,
    margin=0.9,
    spread=0.1,
    difference=0.25,
    low=0.2,
    high=0.3,
    p=0.001,
    agreement=0.98,
)
A = Profile(name="a", large="L", small="S", cues=("Thus", "Now"), evidence=Evidence(statistics=(ENTRY,)))
B = A.model_copy(
    update={
        "name": "b",
        "cues": ("Thus", "So"),
        "evidence": Evidence(statistics=(ENTRY.model_copy(update={"difference": 0.1, "verdict": "rare"}),)),
    }
)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    save_profile(A, tmp_path / "a.toml")
    save_profile(B, tmp_path / "b.toml")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code: Any = 0
    try:
        main(["profile", *arguments])
    except SystemExit as stop:
        code = stop.code or 0
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_show_lists_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "show")
    assert code == 0
    assert "qwen3-32b-1.7b" in shown
    assert "published" in shown


def test_show_tells_cues_and_statistics(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "show", "a.toml")
    assert code == 0
    for expected in ("Thus  Now", "+0.250", "+0.200 +0.300", "98.0%", "chosen 1 of 1 candidates"):
        assert expected in shown


def test_diff_tells_which_cues_differ_and_how_the_statistics_moved(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "diff", "a.toml", "b.toml")
    assert code == 0
    for expected in (
        "only in a.toml: Now",
        "only in b.toml: So",
        "in both: Thus",
        "+0.2500",
        "+0.1000",
        "selected → rare",
    ):
        assert expected in shown


def test_diff_of_a_profile_with_itself_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _, shown = run(capsys, "diff", "a.toml", "a.toml")
    assert "→" not in shown


def test_merge_writes_a_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "merge", "a.toml", "b.toml", "--out", "ab.toml")[0] == 0
    assert load_profile("ab.toml").cues == ("Thus", "Now", "So")
    assert run(capsys, "merge", "a.toml", "b.toml", "--out", "ab.toml", "--how", "intersection")[0] == 0
    assert load_profile("ab.toml").cues == ("Thus",)


def test_merging_one_profile_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "merge", "a.toml", "--out", "ab.toml")
    assert (code, "two profiles or more" in shown) == (2, True)


def test_check_names_cues_that_never_fire(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "check", "qwen3-32b-1.7b")
    assert code == 0
    assert "Thus," in shown.splitlines()[0]
    assert "is valid: published, 28 cues" in shown


def test_check_of_a_broken_profile_fails_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.toml").write_text('name = "x"\ncues = []\n')
    code, shown = run(capsys, "check", "broken.toml")
    assert (code, shown.count("\n")) == (2, 1)
    assert "the list is empty" in shown


def test_check_compares_the_pair(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def create(reference: str, *settings: Any) -> ScriptedEngine:
        return ScriptedEngine([], name=reference)

    monkeypatch.setattr("relaygen.engines.create_engine", create)
    own = Fingerprints(large=fingerprint(create("L")), small=fingerprint(create("S")))
    save_profile(A.model_copy(update={"fingerprints": own}), Path("own.toml"))
    assert run(capsys, "check", "own.toml", "--large", "L", "--small", "S")[0] == 0
    code, shown = run(capsys, "check", "own.toml", "--large", "L", "--small", "T")
    assert (code, "its small model was S" in shown) == (2, True)
