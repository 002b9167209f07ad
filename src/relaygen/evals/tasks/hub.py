"""Benchmarks straight from the Hugging Face hub, where the network and the extra `datasets` allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relaygen.errors import MissingExtra, UsageError
from relaygen.evals.tasks.rows import Row, row_of


def hub_rows(name: str, options: Mapping[str, Any]) -> list[Row]:
    """The rows of OWNER/NAME; the options are `split` (default test) and `config`.

    Raises UsageError when the hub can't be reached or has no such data set or split.
    """
    unknown = set(options) - {"split", "config"}
    if unknown:
        raise UsageError(f"hf: takes the options split and config, not {', '.join(sorted(unknown))}.")
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtra("datasets", "datasets") from error
    split = options.get("split", "test")
    try:
        content = datasets.load_dataset(name, options.get("config"), split=split)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"The data set hf:{name} (split {split}) can't be loaded: {error}.") from error
    rows = [row_of(f"row {number}", fields, f"hf:{name}") for number, fields in enumerate(content, 1)]
    if not rows:
        raise UsageError(f"hf:{name} is empty; it has no problems.")
    return rows
