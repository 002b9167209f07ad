"""`relaygen convert`: a local model from a Hugging Face one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def convert(source: str, out: Path, /, *, precision: Literal["int8", "int4", "fp32"] = "int8") -> None:
    """Make a local model from a Hugging Face decoder.

    Parameters
    ----------
    source: str
        A folder in Hugging Face format, or a hub id where the hub can be reached.
    out: Path
        The folder to write; must not hold anything yet.
    precision: str
        int8 is the default; int4 is smaller, fp32 exact.
    """
    from relaygen.convert import convert as build

    folder = build(source, out, precision)
    print(f'Wrote {folder}. Try:  relaygen run --large {folder} "…"')
