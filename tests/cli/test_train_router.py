"""`relaygen train-router` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaygen.cli import main
from relaygen.routing import run


def test_a_missing_extra_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "NEEDED", ("no_such_module",))
    with pytest.raises(SystemExit) as caught:
        main(["train-router", "-n", "1", "--out", str(tmp_path / "router")])
    assert caught.value.code == 2
    assert "pip install 'relaygen[router]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value", "complaint"),
    [("--recall", "2", "recall"), ("--verifier", "me", "verifier"), ("--width", "0", "width")],
)
def test_wrong_flags_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, value: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train-router", "--out", str(tmp_path / "router"), flag, value])
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err
