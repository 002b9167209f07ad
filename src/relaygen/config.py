"""`relay.toml`: one file for a pair and its settings. Command line flags win over the file."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from relaygen.engines import EngineSettings, ServerSettings
from relaygen.errors import UsageError
from relaygen.relay import Options, Relay
from relaygen.types import LARGE, SMALL, Sampling

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # pydantic's words for a field that does not exist


class RelayConfig(BaseModel):
    """Everything that `Relay.open` needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    large: str = "nano:large"
    """Reference of the large model: nano:large, a model folder, a .gguf file, or a server (a list: its replicas)."""
    small: str = "nano:small"
    """Reference of the small model."""
    policy: str = "relaygen"
    """Who writes what, for example relaygen or random(share=0.7)."""
    profile: str | None = None
    """Name or path of a profile; by default the one that fits the pair."""
    max_tokens: int = 32768
    """Budget of a generation, reasoning and answer together."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer."""
    thinking: bool = True
    """Whether the template asks for a reasoning stage."""
    on_small_failure: Literal["error", "large"] = "error"
    """When the small model is gone: an error, or the large one goes on alone and the trace says degraded."""
    on_large_failure: Literal["error", "small"] = "error"
    """When the large model is gone."""
    standby: Literal["auto", "warm", "cold"] = "cold"
    """Whether the model that does not write reads along in the background; auto: where that is known to pay."""
    sampling: Sampling = Sampling()
    """temperature, top_k, top_p, min_p, seed."""
    engine: EngineSettings = EngineSettings()
    """context, sequences, threads of models in this process."""
    large_server: ServerSettings = ServerSettings()
    """How to reach the large model where it is behind a server: tokenizer, API key, time-outs."""
    small_server: ServerSettings = ServerSettings()
    """The same for the small model."""
    serve: dict[str, Any] = {}
    """What `relaygen serve` reads; checked there."""

    @field_validator("large", "small", mode="before")
    @classmethod
    def _joined(cls, value: object) -> object:
        return ",".join(map(str, value)) if isinstance(value, list) else value

    def merged(self, changes: dict[str, Any]) -> RelayConfig:
        """This configuration with the changes that are not None; sampling and engine settings go by their names, a
        tokenizer is that of both servers."""
        given = {k: v for k, v in changes.items() if v is not None}
        sampling = {k: given.pop(k) for k in list(given) if k in Sampling.__dataclass_fields__}
        engine = {k: given.pop(k) for k in list(given) if k in EngineSettings.__dataclass_fields__}
        if tokenizer := given.pop("tokenizer", None):
            for name in ("large_server", "small_server"):
                given[name] = replace(getattr(self, name), tokenizer=tokenizer)
        given |= {"sampling": replace(self.sampling, **sampling), "engine": replace(self.engine, **engine)}
        return self.model_copy(update=given)

    @property
    def options(self) -> Options:
        return Options(
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            stop=tuple(self.stop),
            thinking=self.thinking,
            on_small_failure=self.on_small_failure,
            on_large_failure=self.on_large_failure,
            standby=self.standby,
        )

    def open(self) -> Relay:
        """Loads the pair. Raises UsageError and its kinds with one clear sentence."""
        options = self.options
        return Relay.open(
            self.large,
            self.small,
            policy=self.policy,
            profile=self.profile,
            options=options,
            settings=self.engine,
            servers={LARGE: self.large_server, SMALL: self.small_server},
        )


def load_config(path: Path | None) -> RelayConfig:
    """Reads a relay.toml; the defaults without one. Raises UsageError when it is missing or not valid."""
    if path is None:
        return RelayConfig()
    try:
        return RelayConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"The configuration {path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place, unknown = ".".join(map(str, first["loc"])), first["type"] in UNKNOWN
        reason = "there is no such setting" if unknown else first["msg"]
        raise UsageError(f"The configuration {path} is not valid: {place}: {reason}.") from error
