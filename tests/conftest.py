"""What all tests share."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine must not fail a test; what else the environment chose (CI runs are deterministic) stays.
settings.register_profile("relaygen", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("relaygen")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, which is what the engines and servers run on."""
    return "asyncio"


@pytest.fixture(scope="session")
def nano_small() -> Path:
    """The folder of a small local model: the embedded one, or what RELAYGEN_TEST_MODEL names."""
    return Path(os.environ.get("RELAYGEN_TEST_MODEL") or str(resources.files("relaygen") / "nano" / "small"))


@pytest.fixture(scope="session")
def nano_large() -> Path:
    """The folder of a larger local model of the same vocabulary; RELAYGEN_TEST_LARGE names another."""
    return Path(os.environ.get("RELAYGEN_TEST_LARGE") or str(resources.files("relaygen") / "nano" / "large"))
