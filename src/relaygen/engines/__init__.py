"""Engines by reference. `create_engine("nano:large")`; adding one is a file and a line in `_FACTORIES`.

nano:large, nano:small    the embedded pair
a folder                  a local model in ONNX format (made by `relaygen convert`)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from relaygen.engines.base import Engine, Params, fingerprint
from relaygen.errors import ModelError

__all__ = ["Engine", "EngineSettings", "Params", "create_engine", "fingerprint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Bounds of a local model: context length in tokens, sequences kept in memory, threads (0: all cores)."""

    context: int = 4096
    sequences: int = 2
    threads: int = 0


Factory = Callable[[str, EngineSettings], Engine]


def _nano(name: str, settings: EngineSettings) -> Engine:
    from relaygen.engines.onnx import OnnxEngine

    if name not in ("large", "small"):
        raise ModelError(f"The embedded pair has the models nano:large and nano:small, not nano:{name}.")
    folder = Path(str(resources.files("relaygen") / "nano" / name))
    return OnnxEngine(folder, settings, name=f"nano:{name}")


def _folder(reference: str, settings: EngineSettings) -> Engine:
    from relaygen.engines.onnx import OnnxEngine

    return OnnxEngine(Path(reference), settings)


_FACTORIES: dict[str, Factory] = {"nano": _nano}


def create_engine(reference: str, settings: EngineSettings | None = None) -> Engine:
    """The engine behind a reference. Raises ModelError when there is no such model or it can't be loaded."""
    scheme, colon, rest = reference.partition(":")
    if colon and scheme in _FACTORIES:
        return _FACTORIES[scheme](rest, settings or EngineSettings())
    return _folder(reference, settings or EngineSettings())
