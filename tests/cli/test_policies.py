"""`relaygen policies` lists everything, one line each."""

from __future__ import annotations

import pytest

from relaygen.cli.policies import policies
from relaygen.policies import policy_names


def test_every_policy_has_one_line_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    policies()
    lines = capsys.readouterr().out.splitlines()
    first = [line.split()[0] for line in lines if line.strip()]
    assert first == [*policy_names(), "Behind", "+speculative", "+routed"]
