"""A pair on real servers writes what the same weights write in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.servers.comparing import Tally
from tests.servers.conftest import OPTIONS, PROFILE, RealPair

from relaygen.engines import create_engine
from relaygen.policies import create_policy
from relaygen.problems import NANO_TASKS, ProblemSet
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL

pytestmark = pytest.mark.server
QUESTIONS = [ProblemSet(task)[i].question for i in range(3) for task in NANO_TASKS]


@pytest.mark.parametrize(("policy", "count"), [("relaygen", 12), ("guarded", 4), ("specreason", 2), ("large", 2)])
def test_generations_equal_those_in_this_process(
    pair: RealPair, local: Relay, found: list[str], policy: str, count: int
) -> None:
    tally = Tally(f"{pair.kind}, {policy}")
    with pair.relay() as relay:
        for question in QUESTIONS[:count]:
            tally.add(local.generate(question, policy=policy), relay.generate(question, policy=policy))
    found.append(str(tally))
    assert tally.equal >= count - 1


def test_more_cues_than_a_server_stops_at(pair: RealPair, local: Relay, found: list[str]) -> None:
    """vLLM refuses more than four stop texts."""
    policy = create_policy("relaygen", PROFILE.model_copy(update={"match": "substring"}))
    assert len(PROFILE.cues) > 4
    tally = Tally(f"{pair.kind}, cues as substrings")
    with pair.relay() as relay:
        for question in QUESTIONS[:2]:
            tally.add(local.generate(question, policy=policy), relay.generate(question, policy=policy))
    found.append(str(tally))
    assert tally.equal


def test_reading_along_changes_nothing(pair: RealPair, local: Relay, found: list[str]) -> None:
    tally = Tally(f"{pair.kind}, reading along")
    with pair.relay() as relay:
        for question in QUESTIONS[:2]:
            warm = relay.generate(question, options=replace(OPTIONS, standby="warm"))
            tally.add(local.generate(question), warm)
    found.append(str(tally))
    assert tally.equal


def test_one_model_may_be_in_this_process(
    pair: RealPair, local: Relay, references: dict[str, Path], found: list[str]
) -> None:
    tally = Tally(f"{pair.kind} and a local small model")
    with pair.relay(small=create_engine(str(references[SMALL]))) as relay:
        for question in QUESTIONS[:2]:
            tally.add(local.generate(question), relay.generate(question))
    found.append(str(tally))
    assert tally.equal


def test_check_finds_nothing_wrong(pair: RealPair, found: list[str]) -> None:
    command = [sys.executable, "-m", "relaygen", "check", "--json", "--tokenizer", str(pair.tokenizer)]
    models = [f"--{role}={pair.servers[role].url}" for role in (LARGE, SMALL)]
    done = subprocess.run([*command, *models], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [(who, *row) for who, rows in json.loads(done.stdout).items() for row in map(dict.values, rows)]
    found += [f"{pair.kind}, check: {' · '.join(map(str, row))}" for row in rows]
    assert [row for row in rows if row[2] not in ("ok", "skipped")] == []
