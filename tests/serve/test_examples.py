"""The examples, run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

from tests.serve.pair import Live

from relaygen.config import RelayConfig
from relaygen.serve import serve_settings

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


def test_the_configuration_of_the_compose_file_is_valid() -> None:
    _, _, content = (ROOT / "compose.yaml").read_text().partition("content: |\n")
    config = RelayConfig.model_validate(tomllib.loads(textwrap.dedent(content)))
    assert serve_settings(config.serve).running == 256
