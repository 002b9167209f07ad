"""Calls the command line as a shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from relaygen.cli import main

SOURCE = Path(__file__).parents[2] / "src"


class Called(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Called:
    """Runs a command in this process."""
    code: object = 0
    try:
        main(arguments)
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return Called(code if isinstance(code, int) else 0, out, err)


def complaint(called: Called) -> str:
    """The one sentence of a command that was refused."""
    assert (called.code, called.out) == (2, ""), called
    assert called.err.startswith("relaygen: ")
    assert called.err.count("\n") == 1
    return called.err.removeprefix("relaygen: ").strip()


def start(*arguments: str, code: str = "from relaygen.cli import main; main()") -> subprocess.Popen[bytes]:
    """Runs a command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    environment.pop("PYTHONUNBUFFERED", None)  # it would hide output that is not flushed
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def scripts(folder: Path, large: str, small: str) -> list[str]:
    """The flags for a pair that plays back TOML lists."""
    flags = []
    for role, lines in (("large", large), ("small", small)):
        (folder / f"{role}.toml").write_text(f"lines = {lines}", encoding="utf-8")
        flags += [f"--{role}", f"scripted:{folder / role}.toml"]
    return flags
