"""Reading the small JSON files of model folders; writing files whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from relaygen.errors import ModelError


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model folder; {} without such a file. Raises ModelError when it is broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} should hold a JSON object, but holds a {type(value).__name__}.")
    return value


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all; folders are made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
