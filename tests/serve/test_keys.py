"""Who may call."""

from __future__ import annotations

from pathlib import Path

import httpx2
import openai
import pytest
from tests.serve.pair import Live, live, make_relay

from relaygen.errors import UsageError
from relaygen.serve import Keys, ServeSettings, check_access
from relaygen.serve.failures import Refusal
from relaygen.serve.keys import load_keys

GOOD = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}


def test_keys_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\nalice sk-1\n\nsk-2  # without a name\n")
    keys = load_keys(path, {"RELAYGEN_API_KEYS": "sk-3, sk-4"})
    assert keys.caller("Bearer sk-1") == "alice"
    assert keys.caller("bearer sk-2").startswith("key-")
    assert keys.caller("Bearer sk-4") != keys.caller("Bearer sk-3")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer sk", "Basic sk-1", "sk-1", "Bearer sk-1x", "Bearer \xff"]
)
def test_anything_but_a_key_is_refused(header: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        Keys({"sk-1": "alice"}).caller(header)
    assert caught.value.status == 401


def test_a_file_without_keys_or_none_at_all_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(UsageError, match="can't be read"):
        load_keys(path, {})
    path.write_text("# nothing\n")
    with pytest.raises(UsageError, match="has no key"):
        load_keys(path, {})


def test_other_addresses_need_keys_or_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"Others can reach 0\.0\.0\.0"):
        check_access(ServeSettings(host="0.0.0.0"))
    assert not check_access(ServeSettings(host="0.0.0.0", open=True))
    assert not check_access(ServeSettings(host="::1"))
    monkeypatch.setenv("RELAYGEN_API_KEYS", "sk-1")
    assert check_access(ServeSettings(host="0.0.0.0"))


def test_all_that_answers_needs_the_key() -> None:
    with live(make_relay(), keys=Keys({"sk-1": "alice"})) as gateway:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-1") as client:
            assert client.models.list().data
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-2") as client:
            for call in (client.models.list, lambda: client.completions.create(model="large", prompt="a")):
                with pytest.raises(openai.AuthenticationError):
                    call()
        for path in ("/health", "/ready", "/metrics", "/openapi.json", "/"):
            assert httpx2.get(gateway.url + path).status_code == 200


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_without_keys_strange_web_pages_are_kept_out(gateway: Live, headers: dict[str, str]) -> None:
    assert httpx2.post(f"{gateway.url}/v1/chat/completions", json=GOOD, headers=headers).status_code == 403


def test_cors_is_off_unless_asked_for(gateway: Live) -> None:
    asking = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in httpx2.options(f"{gateway.url}/v1/models", headers=asking).headers
    with live(make_relay(), ServeSettings(cors=("https://app.example",))) as other:
        reply = httpx2.options(f"{other.url}/v1/models", headers=asking)
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        assert httpx2.post(f"{other.url}/v1/chat/completions", json=GOOD, headers=asking).status_code == 200
