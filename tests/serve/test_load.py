"""Many streams at once, as the benchmark measures them: a gateway in a process of its own, a client in another."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.serve.process import ROOT


@pytest.mark.slow
def test_every_one_of_256_streams_is_complete_and_exact() -> None:
    command = [sys.executable, "benchmarks/gateway.py", "--streams", "256", "--sentences", "2"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["streams"], found["all_exact"]) == (256, True)
    assert found["chunks"] > 256 * 50
