"""Flags that several commands share. A flag that is not given leaves the configuration file's value, or the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from relaygen.config import RelayConfig, load_config


def whole(kind: object, tokens: Sequence[Token]) -> int:
    """Reads a whole number; cyclopts would round others."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f'"{tokens[0].value}" is not a whole number.') from None


Whole = Annotated[int, Parameter(converter=whole)]
Switch = Annotated[bool, Parameter(negative=())]
Json = Switch


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFlags:
    """Which pair, and how it samples."""

    config: Path | None = None
    """A relay.toml with any of these settings."""
    large: str | None = None
    """The large model: nano:large (the default), a model folder, a .gguf file or the address of a server."""
    small: str | None = None
    """The small model: nano:small (the default), a model folder, a .gguf file or the address of a server."""
    tokenizer: str | None = None
    """Folder with the tokenizer of the models behind servers."""
    profile: str | None = None
    """Name or path of a profile with switch cues; by default the one that fits the pair."""
    max_tokens: Whole | None = None
    """Budget of one generation, reasoning and answer together."""
    temperature: float | None = None
    """0 is greedy."""
    top_k: Whole | None = None
    """Sample among this many tokens; 0 for all."""
    top_p: float | None = None
    """Sample among the most probable tokens that reach this probability."""
    min_p: float | None = None
    """Leave out tokens below this share of the most probable one's probability."""
    seed: Whole | None = None
    """The same seed gives the same answer."""
    context: Whole | None = None
    """Context length of local models, in tokens."""
    threads: Whole | None = None
    """Threads of each local model; 0 for all cores."""
    exact: Annotated[bool | None, Parameter(negative=())] = None
    """Local models: the same rounding however many tokens are fed at once. Drafts then never change the text."""

    def resolve(self, **changes: Any) -> RelayConfig:
        """The configuration file with these flags, and `changes`, on top."""
        given = asdict(self)
        config = load_config(given.pop("config"))
        return config.merged(given | changes)
