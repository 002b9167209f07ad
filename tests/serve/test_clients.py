"""Evaluation frameworks and LangChain against the embedded pair, with the files of `examples/` as they are.

They are large packages, so they live in an environment of their own (`make test-clients`), whose Python is named in
RELAYGEN_TEST_CLIENTS.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serve.process import ROOT, Process, started

CLIENTS = os.environ.get("RELAYGEN_TEST_CLIENTS", "")
EVALUATION = ROOT / "examples" / "evaluation"
PROBLEMS = 10
SOLVED = 0.7  # of ten problems; the pair solves nine

pytestmark = [pytest.mark.server, pytest.mark.skipif(not CLIENTS, reason="RELAYGEN_TEST_CLIENTS names no Python")]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    config = tmp_path_factory.mktemp("clients") / "relay.toml"
    config.write_text("[engine]\nexact = true\n")
    with started(["-m", "relaygen", "serve", "--port", "0", "--config", str(config)]) as served:
        yield served


def run(process: Process, folder: Path, *command: str) -> str:
    """Runs a command of the clients' environment in the folder of the examples; it must succeed."""
    program, *arguments = command
    gateway = {"RELAYGEN_URL": f"{process.url}/v1", "RELAYGEN_BASE_URL": f"{process.url}/v1", "RELAYGEN_API_KEY": "-"}
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    ended = subprocess.run(
        [str(Path(CLIENTS).with_name(program)), *arguments],
        cwd=EVALUATION,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | gateway | offline,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def written(folder: Path, pattern: str) -> Any:
    (path,) = folder.glob(pattern)
    return json.loads(path.read_text())


def test_inspect_evaluates_the_relay(process: Process, tmp_path: Path) -> None:
    logs = ("--log-dir", str(tmp_path), "--log-format", "json", "--display", "plain")
    run(process, tmp_path, "inspect", "eval", "inspect_task.py", "--model", "openai-api/relaygen/relay", *logs)
    log = written(tmp_path, "*.json")
    assert (log["status"], log["results"]["completed_samples"]) == ("success", PROBLEMS)
    assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] >= SOLVED
    assert log["stats"]["model_usage"]["openai-api/relaygen/relay"]["reasoning_tokens"] > 0


def test_lm_evaluation_harness_evaluates_the_relay(process: Process, tmp_path: Path) -> None:
    model = f"model=relay,base_url={process.url}/v1/chat/completions,num_concurrent=4,max_gen_toks=1024"
    task = ("--include_path", ".", "--tasks", "relay_nano", "--apply_chat_template")
    out = ("--output_path", str(tmp_path))
    run(process, tmp_path, "lm_eval", "run", "--model", "local-chat-completions", *task, "--model_args", model, *out)
    results = written(tmp_path, "relay/results_*.json")
    assert results["n-samples"]["relay_nano"]["effective"] == PROBLEMS
    assert results["results"]["relay_nano"]["exact_match,boxed"] >= SOLVED


def test_langchain_gets_the_answer_and_the_usage(process: Process, tmp_path: Path) -> None:
    printed = run(process, tmp_path, "python", str(ROOT / "examples" / "langchain_chat.py"))
    assert "boxed" in printed
    assert "'reasoning'" in printed
