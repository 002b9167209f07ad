"""Who may call: bearer keys, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path

from relaygen.errors import UsageError
from relaygen.serve.failures import Refusal

ENVIRONMENT = "RELAYGEN_API_KEYS"
ANYBODY = "-"


class Keys:
    """The keys of a gateway, kept as digests. Without any, everybody may call."""

    def __init__(self, keys: Mapping[str, str] | None = None) -> None:
        """`keys` maps each key to the name that logs and limits use."""
        self._digests = [(_digest(key.encode()), name) for key, name in (keys or {}).items()]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def caller(self, authorization: str | None) -> str:
        """The name behind an Authorization header. Raises Refusal (401) when it is missing or unknown."""
        if not self._digests:
            return ANYBODY
        scheme, _, key = (authorization or "").partition(" ")
        # Headers come in as Latin-1; whatever bytes a client sent are compared as they are.
        given = _digest(key.strip().encode("latin-1", errors="replace"))
        # All of them, always: the time must not tell which one came close.
        matches = [name for digest, name in self._digests if hmac.compare_digest(digest, given)]
        if scheme.lower() != "bearer" or not matches:
            raise Refusal(
                401,
                "This gateway needs a valid API key: send it in the header  Authorization: Bearer KEY.",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        return matches[0]


def load_keys(path: Path | None, environment: Mapping[str, str]) -> Keys:
    """Keys of a file and of RELAYGEN_API_KEYS. Raises UsageError when the file can't be read or has no key."""
    lines = environment.get(ENVIRONMENT, "").split(",")
    if path is not None:
        try:
            found = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The file of keys {path} can't be read: {error}.") from error
        if not _named(found):
            raise UsageError(f"The file of keys {path} has no key; write one a line.")
        lines += found
    return Keys(_named(lines))


def _named(lines: Iterable[str]) -> dict[str, str]:
    """`KEY` or `NAME KEY`; a key without a name is called by a part of its digest."""
    keys: dict[str, str] = {}
    for line in (line.partition("#")[0].split() for line in lines):
        if line:
            keys[line[-1]] = line[0] if len(line) > 1 else f"key-{_digest(line[-1].encode()).hex()[:8]}"
    return keys


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
