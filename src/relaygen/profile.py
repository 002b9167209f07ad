"""Profiles: what calibration knows about a pair. A TOML file; the package ships some by name.

The same content gives the same bytes. A profile holds no times and no paths, and a date only where one was set
(`SOURCE_DATE_EPOCH` or `--date`), so that the same seeds give the same file.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from relaygen.errors import ProfileError
from relaygen.files import write_text
from relaygen.toml import toml_text
from relaygen.types import SMALL, Role

Cue = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A part of a profile: immutable, and strict about names, so that a slip of the pen is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fingerprints(Part):
    """What the two models were (`relaygen.engines.base.fingerprint`); empty when unknown."""

    large: str = ""
    small: str = ""


class Source(Part):
    """Where the numbers come from: enough to make them again."""

    relaygen: str
    """Version that calibrated."""
    date: str | None = None
    task: str
    """The task, or `traces` for traces that were brought."""
    n: Count
    """Traces that were used."""
    first: Count = 0
    """Number of the first problem."""
    problem_seed: int | None = None
    """Seed of the problems (`Split.CALIBRATION`)."""
    seed: int = 0
    """Seed of the sampling; the i-th trace has seed + i."""
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    tokens: Count
    """Reasoning tokens that were read."""
    scorer: Literal["small", "large", "both"] = "small"


class Selection(Part):
    """The rule that chose the cues. See `relaygen.calibration.select`."""

    rule: Literal["paper", "robust"]
    large_share: Share | None = None
    """The share that was asked for, if one was."""
    min_occurrences: Count = 1
    min_problems: Count = 1
    false_discovery_rate: Share | None = None
    ease: float | None = None
    confidence: Share | None = None


class Point(Part):
    """A set of cues and what it would have done on the traces; means per trace where not said otherwise."""

    cues: Count
    """How many cues the set has."""
    large_share: Share
    """Tokens of large / all completion tokens."""
    switches: float
    offloaded: float
    """Reasoning tokens that small writes."""
    disagreements: float | None = None
    """How many of these small would have written differently, in expectation."""


class Answers(Part):
    """With the reasoning fixed, how often both models gave the same final answer, greedily."""

    n: Count
    same: Count
    threshold: Share


class Doubt(Part):
    """Margins of small below which large had better write. Policies use them when the user names no threshold; those
    that are missing had nothing to catch."""

    wanted: Share
    """The part of small's disagreements that was to be caught."""
    guarded: Share | None = None
    """Below this margin a token of an offloaded segment is doubtful (policy `guarded`)."""
    guarded_share: Share | None = None
    """Large share that is predicted with it."""
    paragraph: Share | None = None
    """Below this margin of its first token large writes a paragraph (policy `entropy-first`)."""
    paragraph_share: Share | None = None
    sentence: Share | None = None
    """The same for sentences."""
    sentence_share: Share | None = None


class CueStatistics(Part):
    """One candidate, measured where the policy would switch if it were the only cue. Margins are 0 to 1."""

    cue: Cue
    origin: Literal["list", "added", "discovered"] = "list"
    verdict: str
    """`selected`, or why not."""
    occurrences: Count
    traces: Count
    problems: Count
    tokens: Count
    margin: float
    spread: float
    """Standard deviation of the margins."""
    difference: float
    """Mean margin in its segments minus mean margin in the rest of the same traces' reasoning."""
    low: float | None = None
    high: float | None = None
    """Interval of the difference, clustered by problem."""
    p: float | None = None
    """One-sided, for a difference of zero or less."""
    agreement: float | None = None
    """Share of tokens where small's first choice is what large wrote."""
    disagreement: float | None = None
    """Expected share of tokens that small would write differently."""
    disagreement_high: float | None = None
    """Upper end of its interval."""
    elsewhere: float | None = None
    """The disagreement in the rest of the same traces' reasoning."""


class Evidence(Part):
    """Every candidate's statistics, and the frontier between large share and disagreement, in brief."""

    frontier: tuple[Point, ...] = ()
    unseen: tuple[Cue, ...] = ()
    """Candidates that never occurred."""
    statistics: tuple[CueStatistics, ...] = ()


class Profile(Part):
    """The cues of a pair and where they came from."""

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
    chain: bool = False
    """Whether small goes on over the end of a sentence when its next one begins with a cue as well."""
    answerer: Role = SMALL
    """Who writes the answer: small, unless calibration found that its answers differ."""
    fingerprints: Fingerprints | None = None
    source: Source | None = None
    selection: Selection | None = None
    predicted: Point | None = None
    answers: Answers | None = None
    doubt: Doubt | None = None
    """Thresholds of the policies that look at small's margins."""
    evidence: Evidence | None = None


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
        raise ProfileError(f"The profile {source} is not valid: {place}: {_reason(dict(first))}.") from error


def profile_text(profile: Profile) -> str:
    """The profile as TOML; `parse_profile` gives it back."""
    data = profile.model_dump(mode="json", exclude_none=True)
    return toml_text({key: value for key, value in data.items() if value != ""})


def save_profile(profile: Profile, path: Path) -> None:
    """Writes the file, whole or not at all. Raises ProfileError when that is not possible."""
    try:
        write_text(path, profile_text(profile))
    except OSError as error:
        raise ProfileError(f"The profile {path} can't be written: {error.strerror}.") from error


def default_profile(large: str, small: str) -> Profile:
    """The shipped profile that fits a pair by its models' names; the whole candidate list when none does."""
    names = f"{large} {small}".lower()
    for mark, profile in (("nano:", "nano"), (r"r1(?![a-z0-9])", "r1-distill-32b-1.5b"), ("qwen3", "qwen3-32b-1.7b")):
        if re.search(rf"(?<![a-z0-9]){mark}", names):
            return load_profile(profile)
    return load_profile("candidates")


def _reason(error: dict[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such field"
        case "missing":
            return "this field is needed"
        case "too_short":
            return "the list is empty; a profile needs at least one cue"
    return str(error["msg"])


def _folder() -> resources.abc.Traversable:
    return resources.files("relaygen").joinpath("profiles")
