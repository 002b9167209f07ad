"""Gateways for tests: in this process, in a thread, in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest
from tests.serve.pair import Live, live, make_relay


@pytest.fixture(autouse=True)
def no_keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has set must not decide what the tests see."""
    for name in ("RELAYGEN_API_KEYS", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Live]:
    """A gateway of a scripted pair."""
    with live(make_relay()) as served:
        yield served


@pytest.fixture
def client(gateway: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def http(gateway: Live) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url) as made:
        yield made
