"""Profiles: what calibration knows about a pair. A TOML file; the package ships some by name."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from relaygen.errors import ProfileError

Cue = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


class Profile(BaseModel):
    """The cues of a pair and where they came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """What reports call this profile."""
    large: str = ""
    """The large model that it was made for, in words."""
    small: str = ""
    """The small model that it was made for, in words."""
    origin: Literal["calibrated", "published", "provisional", "candidates"] = "calibrated"
    """`published` lists come from the paper's code; `provisional` ones were chosen by hand."""
    cues: Annotated[tuple[Cue, ...], Field(min_length=1)]
    """After one of these, the small model takes over to the end of the sentence."""
    match: Literal["word", "substring"] = "word"
    """`substring` reproduces the published matching, which also fires inside other words."""


def shipped() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))


def load_profile(name: str) -> Profile:
    """A shipped profile by name, or any profile by the path of its file.

    Raises ProfileError when there is no such profile or the file is not a valid one.
    """
    if name in shipped():
        return parse_profile(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)
    path = Path(name)
    if not path.is_file():
        raise ProfileError(
            f"There is no profile {name!r}: give the path of a profile file, or one of {', '.join(shipped())}."
        )
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"The profile {name} can't be read: {error}.") from error
    return parse_profile(content, name)


def parse_profile(content: str, source: str) -> Profile:
    """Reads TOML; `source` names it in errors."""
    try:
        return Profile.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"The profile {source} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ProfileError(f"The profile {source} is not valid: {place}: {first['msg']}.") from error


def _folder() -> resources.abc.Traversable:
    return resources.files("relaygen").joinpath("profiles")


def default_profile(large: str, small: str) -> Profile:
    """The shipped profile that fits a pair by its models' names; the whole candidate list when none does."""
    names = f"{large} {small}".lower()
    for mark, profile in (("nano:", "nano"), ("r1", "r1-distill-32b-1.5b"), ("qwen3", "qwen3-32b-1.7b")):
        if mark in names:
            return load_profile(profile)
    return load_profile("candidates")
