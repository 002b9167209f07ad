"""`relaygen convert`: a local model from a Hugging Face one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from relaygen.cli.flags import Switch


def convert(
    source: str, out: Path, /, *, precision: Literal["int8", "int4", "fp32"] = "int8", hidden_states: Switch = False
) -> None:
    """Make a local model from a Hugging Face decoder.

    Parameters
    ----------
    source: str
        A folder in Hugging Face format, or a hub id where the hub can be reached.
    out: Path
        The folder to write; must not hold anything yet.
    precision: str
        int8 is the default; int4 is smaller, fp32 exact.
    hidden_states: bool
        Let the model give its last hidden states too; a small model that a router watches needs that.
    """
    from relaygen.convert import convert as build

    folder = build(source, out, precision, hidden_states=hidden_states)
    print(f'Wrote {folder}. Try:  relaygen run --large {folder} "…"')
