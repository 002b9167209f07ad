"""Plans and the headers that say what was run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.evals.players import make_relay

from relaygen.config import RelayConfig
from relaygen.errors import UsageError
from relaygen.evals.header import Header, differences
from relaygen.evals.plan import Plan, make_header, make_plan


def plan(policies: tuple[str, ...] = ("large", "relaygen"), *, epochs: int = 1, concurrency: int = 1) -> Plan:
    return make_plan(RelayConfig(), ["nano"], policies, samples=4, epochs=epochs, concurrency=concurrency)


def header(of: Plan) -> Header:
    with make_relay([]) as relay:
        return make_header(of, relay)


def test_a_plan_counts_its_generations_and_takes_a_policy_once() -> None:
    found = plan(("large", "small", "large"), epochs=3)
    assert found.policies == ("large", "small")
    assert found.generations == 4 * 2 * 3


def test_a_plan_needs_tasks_and_policies() -> None:
    with pytest.raises(UsageError, match="at least one task and one policy"):
        make_plan(RelayConfig(), [], ["large"])


def test_the_header_says_what_decides_a_result() -> None:
    settings = header(plan(concurrency=2)).settings
    assert settings.models["large"]["engine"] == "player:large"
    assert list(settings.samples_from) == ["chain_sum", "products", "simple_equations", "leg_counting"]
    assert (settings.profile["name"], settings.profile["cues"], settings.concurrency) == ("test", ["Thus"], 2)
    assert settings.sampling == {"temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.0}


def test_the_header_names_the_environment() -> None:
    place = header(plan()).environment
    assert place.cores > 0
    assert {"numpy", "scipy", "math-verify"} <= set(place.packages)


def test_the_content_of_a_profile_counts_not_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    policies = ("large", f'relaygen(profile="{file}")')
    file.write_text('name = "mine"\ncues = ["Thus"]\n', encoding="utf-8")
    before = header(plan(policies)).settings
    file.write_text('name = "mine"\ncues = ["So"]\n', encoding="utf-8")
    found = differences(before, header(plan(policies)).settings)
    assert found == [f"profiles.{file}.cues was ['Thus'], now it is ['So']"]


def test_long_differences_are_not_spelled_out() -> None:
    settings = header(plan()).settings
    other = settings.model_copy(update={"tasks": ("x" * 200,)})
    assert differences(settings, other) == ["tasks is not the same"]
