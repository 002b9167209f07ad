"""`relaygen demo`."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from tests.cli.console import call
from tests.demo.players import answers, engine

from relaygen.cli import demo as module


@pytest.fixture(autouse=True)
def players(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaygen.relay.relay.create_engine", engine)


def test_the_comparison_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    called = call(capsys, "demo", "-n", "5", "--json", "--seed", "3")
    data = json.loads(called.out)
    assert (called.code, called.err) == (0, "")
    assert list(data) == ["task", "n", "seed", "policies"]
    assert (data["task"], data["n"], data["seed"]) == ("nano", 5, 3)
    fields = ["policy", "accuracy", "seconds", "tokens", "large_share", "switches", "speedup"]
    assert [list(row) for row in data["policies"]] == [fields] * 4
    by_name = {row["policy"]: row for row in data["policies"]}
    assert list(by_name) == ["large", "small", "relaygen", "guarded"]
    assert [row["accuracy"] for row in by_name.values()] == [1.0, 0.0, 1.0, 1.0]
    assert (by_name["large"]["large_share"], by_name["small"]["switches"]) == (1.0, 0)
    assert by_name["large"]["speedup"] == 1.0


def test_policies_are_chosen_and_kept_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--policy", "random(share=0.7)", "--policy", "small", "--policy", "small", "--task", "products"]
    data = json.loads(call(capsys, "demo", "--n", "1", "--json", *flags).out)
    assert [row["policy"] for row in data["policies"]] == ["random(share=0.7)", "small"]
    assert [row["speedup"] for row in data["policies"]] == [None, None]
    assert data["task"] == "products"


def test_the_first_generation_is_shown_then_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    shown = call(capsys, "demo", "-n", "2").out
    question = next(iter(answers()))
    assert shown.startswith(
        f"{question}\n\nIt is {answers()[question]}. Thus, I am done. I am done. Yes.</think>\\boxed{{"
    )
    table = shown.partition("held-out problems")[2]
    assert [name for name in ("large", "small", "relaygen") if name in table] == ["large", "small", "relaygen"]
    assert "2 held-out problems, task: nano, seed 0" in shown
    assert max(map(len, shown.partition("\n\n")[2].splitlines())) <= 80
    assert "large reasons, small takes the easy segments." in shown


def test_on_a_terminal_there_is_progress_but_not_over_the_stream(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(module, "Console", lambda **settings: Console(file=screen, force_terminal=True, width=100))
    assert call(capsys, "demo", "-n", "2", "--policy", "large").code == 0
    first, _, rest = screen.getvalue().partition("large share")
    assert "solving" not in first
    assert "\x1b[2K" not in first  # erases a line
    assert "solving" in rest
    assert "2/2" in rest
