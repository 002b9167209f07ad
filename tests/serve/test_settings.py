"""Settings from files and flags."""

from __future__ import annotations

from typing import Any

import pytest

from relaygen.errors import UsageError
from relaygen.serve import ServeSettings, listen, serve_settings
from relaygen.serve.settings import is_loopback


def test_a_table_and_flags_on_top() -> None:
    settings = serve_settings({"port": 1234, "cors": ["https://a"], "keys": "keys.txt"})
    assert settings.merged({"port": None, "running": 3}) == serve_settings(
        {"port": 1234, "cors": ["https://a"], "keys": "keys.txt", "running": 3}
    )


@pytest.mark.parametrize("table", [{"prot": 1}, {"port": "high"}, {"port": 70000}, {"running": 0}, {"drain": -1}])
def test_what_is_not_valid_is_said_in_a_sentence(table: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        serve_settings(table)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_anything_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_setting_that_does_not_exist_is_called_that() -> None:
    with pytest.raises(UsageError, match=r"serve\.prot: there is no such setting"):
        serve_settings({"prot": 1})


def test_a_host_that_does_not_exist_is_said_in_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"Can't listen on 192\.0\.2\.1, port 0: .*\.$"):
        listen(ServeSettings(host="192.0.2.1", port=0))


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with listen(ServeSettings(port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=f"Can't listen on 127.0.0.1, port {port}"):
            listen(ServeSettings(port=port))
