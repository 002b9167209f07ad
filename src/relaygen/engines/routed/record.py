"""What stands next to a router: whose it is, from where on it says large, and what it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relaygen.errors import ModelError
from relaygen.profile import Fingerprints

NETWORK, RECORD = "router.onnx", "router.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(_Part):
    """How the router did on problems that it was not trained on, at its threshold."""

    positions: int
    divergent: int
    recall: float
    """Share of the divergent positions that it gives to large."""
    large_share: float
    """Share of all positions that it gives to large."""


class Training(_Part):
    """From what the router was made."""

    relaygen: str
    torch: str
    task: str
    n: int
    first: int
    problem_seed: int | None
    seed: int
    temperature: float
    max_tokens: int
    verifier: str
    traces: int
    positions: int
    differences: int
    """Positions at which small's first choice is not what large wrote."""
    divergent: int
    """Those of them at which it matters."""
    width: int
    blocks: int
    learning_rate: float
    epochs: int


class RouterRecord(_Part):
    """The file `router.json`."""

    version: Literal[1] = 1
    large: str
    small: str
    fingerprints: Fingerprints
    threshold: float = Field(ge=0, le=1)
    """From this chance of a divergence on large writes the token."""
    wanted_recall: float
    hidden_size: int
    top: int = Field(ge=1)
    """How many of small's highest logits it reads."""
    validation: Measured
    """The problems that the threshold was chosen on."""
    test: Measured
    """Problems that nothing was chosen on."""
    training: Training


def read_record(folder: Path) -> RouterRecord:
    """The record in the folder of a router. Raises ModelError when there is none or it can't be understood."""
    path = folder / RECORD
    if not path.is_file() or not (folder / NETWORK).is_file():
        raise ModelError(f"{folder} holds no router; `relaygen train-router` makes one ({NETWORK} and {RECORD}).")
    try:
        return RouterRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelError(f"{path} is not the record of a router: {place or 'its text'}: {first['msg']}.") from error
