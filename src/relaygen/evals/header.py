"""The first line of a log: what was run, with what, and where. Pydantic, as everything on disk."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from relaygen.evals.environment import Environment

LONGEST = 100  # characters of a value in a message
VERSION = 1  # of the log; a change that an older relaygen would misread raises it


class Settings(BaseModel):
    """All that decides what a result is. A run may only be taken up again with the same ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: tuple[str, ...]
    """References, as given."""
    samples_from: dict[str, str]
    """Each task's name and digest."""
    policies: tuple[str, ...]
    models: dict[str, dict[str, str]]
    """large and small: reference, engine, fingerprint."""
    profile: dict[str, Any]
    """The profile of the pair, without its evidence."""
    profiles: dict[str, dict[str, Any]] = {}
    """Profiles that policies brought, by the names that they used."""
    sampling: dict[str, float]
    """temperature, top_k, top_p, min_p."""
    seed: int
    """From which every sample gets a seed of its own, the same for all policies."""
    max_tokens: int
    stop: tuple[str, ...] = ()
    thinking: bool = True
    margins: bool = True
    concurrency: int = 1
    failures: dict[str, str] = {}
    """What happens when a model is gone, by role: error, or the name of the one that goes on alone."""
    engine: dict[str, Any] = {}
    """context, sequences, threads of models in this process."""


class Extent(BaseModel):
    """How much of it: this may grow when a run is taken up again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int
    epochs: int = 1


class Header(BaseModel):
    """How a log begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["header"] = "header"
    version: int = VERSION
    created: str
    settings: Settings
    extent: Extent
    environment: Environment


class Resumption(BaseModel):
    """Written each time that a run is taken up again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["resumption"] = "resumption"
    created: str
    extent: Extent
    environment: Environment


def differences(old: Settings, new: Settings) -> list[str]:
    """What is not the same, in words: `max_tokens was 512, now it is 1024`."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    return [_change(name, before[name], after[name]) for name in before if before[name] != after[name]]


def _change(name: str, before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in before | after if before.get(key) != after.get(key)]
        return "; ".join(_change(f"{name}.{key}", before.get(key), after.get(key)) for key in keys)
    if max(len(str(before)), len(str(after))) > LONGEST:
        return f"{name} is not the same"
    return f"{name} was {before}, now it is {after}"
