"""The examples, run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.serve.pair import Live

ROOT = Path(__file__).parents[2]
Q = "What is 17 * 23?"


def run(gateway: Live, *command: str) -> str:
    surroundings = {**os.environ, "RELAYGEN_URL": f"{gateway.url}/v1"}
    ended = subprocess.run([*command, Q], capture_output=True, text=True, timeout=60, env=surroundings)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_openai_example_prints_the_answer_and_the_share(gateway: Live) -> None:
    printed = run(gateway, sys.executable, str(ROOT / "examples" / "chat.py"))
    assert f"The answer to {Q!r} is 42" in printed
    assert "large share" in printed


def test_the_curl_example_streams(gateway: Live) -> None:
    printed = run(gateway, "sh", str(ROOT / "examples" / "chat.sh"))
    assert printed.endswith("data: [DONE]\n\n")
