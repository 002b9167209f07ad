"""How to reach the servers of one model: a table of relay.toml. Read by engines that talk HTTP, and by nobody else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from relaygen.errors import UsageError

DialectName = Literal["auto", "vllm", "sglang", "llama-server", "ollama", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings of one model's servers.

    `tokenizer` is a model folder with tokenizer.json (and chat template), or that file; without one, ids can't be
    exchanged and text is. `dialect` is found out by asking unless it is given. `model` and `context` (tokens) are
    asked for too. The API key is read from the variable `api_key_env` or the file `api_key_file`, and a header `$NAME`
    from the variable NAME, so that no secret stands in the configuration; `ca_file` replaces the system's
    certificates. Seconds of 0 mean no limit: to connect, to the first token, from token to token, for a
    whole segment. A request is tried `attempts` times, `pause_seconds` and then twice as long apart. Texts of more
    than `score_tokens` are not scored on vLLM, whose memory grows with them.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    tokenizer: str = ""
    dialect: DialectName = "auto"
    model: str = ""
    context: int = 0
    api_key_env: str = "RELAYGEN_SERVER_KEY"
    api_key_file: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool = True
    ca_file: str = ""
    connect_seconds: float = 5.0
    first_token_seconds: float = 300.0
    token_seconds: float = 60.0
    total_seconds: float = 0.0
    attempts: int = 3
    pause_seconds: float = 0.25
    score_tokens: int = 8192

    def sent_headers(self) -> dict[str, str]:
        """The headers, with what stands for a variable replaced. Raises UsageError when one is not set."""
        sent = dict(self.headers)
        for header, value in sent.items():
            if value.startswith("$"):
                if value[1:] not in os.environ:
                    raise UsageError(f"The header {header} is read from the variable {value[1:]}, which is not set.")
                sent[header] = os.environ[value[1:]]
        return sent

    def api_key(self) -> str:
        """The key, "" without one. Raises UsageError, without the key, when the file can't be read."""
        if self.api_key_file:
            try:
                return Path(self.api_key_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"The API key file {self.api_key_file} can't be read.") from error
        return os.environ.get(self.api_key_env, "").strip() if self.api_key_env else ""
