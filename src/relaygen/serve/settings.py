"""What the operator of a gateway decides. The table `[serve]` of a relay.toml has the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from relaygen.errors import UsageError

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Address, access and limits of a gateway."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    keys: Path | None = None
    """File with one bearer key a line, optionally with a name in front. RELAYGEN_API_KEYS holds more, with commas."""
    open: bool = False
    """Serve without keys on an address that others can reach."""
    cors: tuple[str, ...] = ()
    """Origins of web pages that may call the gateway."""
    page: bool = True
    """Whether / shows the page."""
    running: int = 32
    """Generations at once; more of them wait."""
    queue: int = 256
    """Generations that may wait; beyond that requests get 429."""
    per_key: int = 0
    """Generations, running or waiting, that one key may have; 0 for no limit."""
    max_body: int = 4 * MEBIBYTE
    """Bytes of a request."""
    max_messages: int = 1000
    """Messages of a conversation."""
    max_choices: int = 16
    """Generations that one request may ask for: n times the number of prompts."""
    drain: int = 30
    """Seconds that running generations get to finish after SIGTERM."""
    health: int = 5
    """Seconds between two looks at the models' servers; 0 for one at the start alone."""
    log_text: bool = False
    """Write prompts and completions to the log."""

    def __post_init__(self) -> None:
        for name in ("running", "max_body", "max_messages", "max_choices"):
            if getattr(self, name) < 1:
                raise UsageError(f"The gateway's {name} must be at least 1, not {getattr(self, name)}.")
        for name in ("queue", "per_key", "drain", "health"):
            if getattr(self, name) < 0:
                raise UsageError(f"The gateway's {name} must not be negative, but it is {getattr(self, name)}.")
        if not 0 <= self.port < 1 << 16:
            raise UsageError(f"A port is a number from 0 to 65535, not {self.port}.")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        return is_loopback(self.host)

    def merged(self, changes: Mapping[str, Any]) -> ServeSettings:
        """These settings with the changes that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


def serve_settings(table: Mapping[str, Any]) -> ServeSettings:
    """Settings from the table `[serve]` of a configuration. Raises UsageError when something in it is not valid."""
    try:
        return TypeAdapter(ServeSettings).validate_python(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["serve", *map(str, first["loc"])])
        reason = "there is no such setting" if first["type"] == "unexpected_keyword_argument" else first["msg"]
        raise UsageError(f"The configuration is not valid: {place}: {reason}.") from error


def is_loopback(host: str) -> bool:
    """Whether a host name or address stands for this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
