"""Dockerfile and compose.yaml against the package: no daemon builds them here, but what they name has to exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.serve.pair import make_relay

from relaygen.config import RelayConfig
from relaygen.serve import Keys, ServeSettings, check_access, create_app, serve_settings
from relaygen.serve.keys import ENVIRONMENT

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GATEWAY = COMPOSE["services"]["gateway"]


def instruction(name: str) -> str:
    """The arguments of the last instruction with this name."""
    return str(re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)[-1])


def entry_point() -> list[str]:
    command = json.loads(instruction("ENTRYPOINT"))
    assert isinstance(command, list)
    return command


def health_paths() -> set[str]:
    return set(re.findall(r"127\.0\.0\.1:(\d+/\w+)", instruction("HEALTHCHECK")))


def test_the_image_starts_a_command_that_the_package_has() -> None:
    program, command, *flags = entry_point()
    assert program in PROJECT["scripts"]
    helped = subprocess.run(
        [sys.executable, "-m", "relaygen", command, "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    used = [flag for flag in [*flags, *GATEWAY["command"].split()] if flag.startswith("--")]
    assert used == ["--host", "--config"]
    assert all(flag in helped.stdout for flag in used)


def test_the_extras_that_are_installed_exist() -> None:
    extras = re.findall(r"\[(\w+)\]'", DOCKERFILE)
    assert extras == ["serve", "serve"]
    assert set(extras) <= PROJECT["optional-dependencies"].keys()


def test_the_python_of_the_image_is_supported() -> None:
    versions = set(re.findall(r"^FROM python:(\d\.\d+)-slim", DOCKERFILE, re.MULTILINE))
    assert len(versions) == 1
    assert f"Programming Language :: Python :: {versions.pop()}" in PROJECT["classifiers"]


def test_the_gateway_does_not_run_as_root() -> None:
    assert f"useradd --system --create-home {instruction('USER')}" in DOCKERFILE


def test_ports_and_the_health_check_are_the_gateways() -> None:
    port = str(ServeSettings().port)
    assert instruction("EXPOSE") == port
    assert GATEWAY["ports"] == [f"{port}:{port}"]
    assert health_paths() == {f"{port}/health"}
    assert "/health" in {route.path for route in create_app(make_relay(), keys=Keys()).routes if hasattr(route, "path")}


def test_the_address_of_the_image_needs_keys_and_the_compose_file_asks_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = ServeSettings(host=entry_point()[entry_point().index("--host") + 1])
    assert not settings.on_loopback
    assert GATEWAY["environment"][ENVIRONMENT].startswith(f"${{{ENVIRONMENT}:?")
    monkeypatch.setenv(ENVIRONMENT, "sk-mine")
    assert check_access(settings)


def test_the_configuration_in_the_compose_file_is_valid_and_fits_the_services() -> None:
    config = RelayConfig.model_validate(tomllib.loads(COMPOSE["configs"]["relay"]["content"]))
    assert serve_settings(config.serve).running == 256
    assert GATEWAY["configs"][0]["target"] == GATEWAY["command"].split()[-1]
    for role in ("large", "small"):
        assert getattr(config, role) == f"http://{role}:8000/v1"
        tokenizer = getattr(config, f"{role}_server").tokenizer
        assert COMPOSE["services"][role]["command"].split()[0] == tokenizer
        assert GATEWAY["depends_on"][role] == {"condition": "service_healthy"}
    assert GATEWAY["volumes"] == COMPOSE["services"]["large"]["volumes"] == ["./models:/models:ro"]


def test_docker_waits_longer_than_the_gateway_drains() -> None:
    assert int(GATEWAY["stop_grace_period"].removesuffix("s")) > ServeSettings().drain


def test_both_models_fit_on_one_gpu() -> None:
    shares = [COMPOSE["services"][role]["command"].split("--gpu-memory-utilization ")[1] for role in ("large", "small")]
    assert sum(float(share.split()[0]) for share in shares) < 1
