"""The real process: how it starts, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.serve.process import in_a_process, started

SCRIPT = 'lines = ["Hm. So ", "it is easy.", " Done.</think>", "Forty-two 🙂."]\n'


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """`relaygen serve` with a scripted pair."""
    for role in ("large", "small"):
        (tmp_path / f"{role}.toml").write_text(SCRIPT)
    pair = [f"--{role}=scripted:{tmp_path / role}.toml" for role in ("large", "small")]
    return ["-m", "relaygen", "serve", "--port", "0", "--profile", "qwen3-32b-1.7b", *pair]


def test_the_command_serves(command: list[str]) -> None:
    with started(command) as process, openai.OpenAI(base_url=f"{process.url}/v1", api_key="-") as client:
        reply = client.chat.completions.create(model="large", messages=[{"role": "user", "content": "Hi"}])
        assert reply.choices[0].message.content
        process.process.send_signal(signal.SIGTERM)
        assert process.event("draining")
        assert process.end() == 0


def test_a_client_with_a_short_patience_gives_up_and_the_gateway_lives_on(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_text('lines = [{text = "Slow.", delay = 60.0}]\n')
    with started(command) as process:
        with (
            openai.OpenAI(base_url=f"{process.url}/v1", api_key="-", timeout=0.2, max_retries=0) as client,
            pytest.raises(openai.APITimeoutError),
        ):
            client.chat.completions.create(model="large", messages=[{"role": "user", "content": "Hi"}])
        line = process.event("request")
        assert (line["status"], line["gone"]) == (499, True)
        assert httpx2.get(f"{process.url}/ready").json()["running"] == 0


def test_sigterm_lets_a_running_answer_finish(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_text('lines = [{text = "A long thought.</think>", delay = 0.05}, "Done."]\n')
    body: dict[str, Any] = {"model": "large", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    with started(command) as process:
        with httpx2.stream("POST", f"{process.url}/v1/chat/completions", json=body) as response:
            lines = (line for line in response.iter_lines() if line)
            next(lines)
            process.process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
        assert process.end() == 0


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_not_finished_in_time_ends_with_a_clear_error(command: list[str], tmp_path: Path, stream: bool) -> None:
    (tmp_path / "large.toml").write_text('lines = [{text = "Slow.", delay = 0.2}, {text = "Slower.", delay = 600.0}]\n')
    body: dict[str, Any] = {"model": "large", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    with started([*command, "--drain", "1"]) as process, ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx2.post, f"{process.url}/v1/chat/completions", json=body, timeout=60)
        while not (asked.done() or httpx2.get(f"{process.url}/ready", timeout=60).json()["running"]):
            pass
        process.process.send_signal(signal.SIGTERM)
        reply = asked.result()
        assert "stopped before this answer was finished" in reply.text
        if stream:
            assert reply.text.endswith("data: [DONE]\n\n")
        else:
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "shutting_down")
        line = process.event("request")
        assert line["error"] == "shutting_down"
        assert process.end() == 0


def test_many_processes_worth_of_threads_get_their_own_answers() -> None:
    with in_a_process() as process, openai.OpenAI(base_url=f"{process.url}/v1", api_key="-") as client:
        answers: dict[int, str | None] = {}

        def ask(i: int) -> None:
            reply = client.chat.completions.create(model="relay", messages=[{"role": "user", "content": f"Q{i}"}])
            answers[i] = reply.choices[0].message.content

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {i: f"\n\nThe answer to 'Q{i}' is 42 🙂." for i in range(16)}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--host", "0.0.0.0"], "there are no API keys"),
        (["--keys", "nowhere.txt"], "can't be read"),
        (["--running", "0"], "must be at least 1"),
        (["--large", "nowhere"], "nowhere"),
    ],
)
def test_what_cant_be_served_is_one_plain_sentence(flags: list[str], sentence: str) -> None:
    command = [sys.executable, "-m", "relaygen", "serve", "--port", "0", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.startswith("relaygen: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
