"""References to servers: `http://host:8000/v1`, several separated by commas, with `#model` behind them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from relaygen.errors import UsageError


class Reference(NamedTuple):
    """The replicas of one model. `urls` end in /v1; `model` is "" when the server has but one."""

    urls: tuple[str, ...]
    model: str

    @property
    def name(self) -> str:
        """What traces call it: the model when it is named, else the first address."""
        return self.model or self.urls[0].partition("://")[2].removesuffix("/v1")


def parse_reference(text: str) -> Reference:
    """Reads a reference. Raises UsageError when an address is not one, or when they name different models."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    addresses, models = zip(*(part.partition("#")[::2] for part in parts), strict=True)
    named = {model for model in models if model}
    if len(named) > 1:
        raise UsageError(f"The addresses name different models: {', '.join(sorted(named))}; replicas serve one model.")
    return Reference(tuple(map(_address, addresses)), named.pop() if named else "")


def root_of(url: str) -> str:
    """Where a server's own calls are, which stand beside /v1."""
    return url.removesuffix("/v1")


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is not the address of a server; write it like http://host:8000/v1.")
    if parts.username or parts.password or parts.query:
        raise UsageError("The address of a server can't hold a user, a password or a query; keys come from a file.")
    bare = url.rstrip("/")
    return bare if bare.endswith("/v1") else f"{bare}/v1"
