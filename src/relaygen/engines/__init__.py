"""Engines by reference. `create_engine("nano:large")`; adding one is a file and a line in `_FACTORIES`.

nano:large, nano:small    the embedded pair
scripted:FILE             plays back the lines in a TOML file (see `relaygen.engines.scripted`)
http://host:8000/v1       a server: vLLM, SGLang, llama-server, Ollama, others; https:// too, replicas with commas
a file that ends in .gguf a model for llama.cpp, whose server is started on loopback
a folder                  a local model in ONNX format (made by `relaygen convert`)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from inspect import signature
from pathlib import Path
from typing import Any

from relaygen.engines.base import Engine, Monitored, Params, fingerprint
from relaygen.engines.servers import ServerSettings
from relaygen.errors import ModelError, UsageError

__all__ = [
    "Engine",
    "EngineSettings",
    "Monitored",
    "Params",
    "ServerSettings",
    "create_engine",
    "fingerprint",
    "wrap_engine",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Bounds of a local model: context length in tokens, sequences kept in memory, threads (0: all cores).

    With `exact` the same kernels run however many tokens are fed at once, so that neither caching nor drafting changes
    what is written. Without it a single token is rounded a little differently, and takes about a fifth less time.
    """

    context: int = 4096
    sequences: int = 2
    threads: int = 0
    exact: bool = False


Factory = Callable[[str, EngineSettings, ServerSettings], Engine]


def _nano(name: str, settings: EngineSettings, server: ServerSettings) -> Engine:
    from relaygen.engines.onnx import OnnxEngine

    if name not in ("large", "small"):
        raise ModelError(f"The embedded pair has the models nano:large and nano:small, not nano:{name}.")
    folder = Path(str(resources.files("relaygen") / "nano" / name))
    return OnnxEngine(folder, settings, name=f"nano:{name}")


def _scripted(path: str, settings: EngineSettings, server: ServerSettings) -> Engine:
    from relaygen.engines.scripted import ScriptedEngine, load_script

    return ScriptedEngine(load_script(Path(path)), name=f"scripted:{Path(path).stem}", context=settings.context)


def _http(rest: str, settings: EngineSettings, server: ServerSettings) -> Engine:
    from relaygen.engines.openai import ServerEngine

    return ServerEngine(f"http:{rest}", server)


def _https(rest: str, settings: EngineSettings, server: ServerSettings) -> Engine:
    from relaygen.engines.openai import ServerEngine

    return ServerEngine(f"https:{rest}", server)


def _gguf(path: str, settings: EngineSettings, server: ServerSettings) -> Engine:
    from relaygen.engines.openai.gguf import open_gguf

    return open_gguf(Path(path), settings, server)


def _folder(reference: str, settings: EngineSettings, server: ServerSettings) -> Engine:
    from relaygen.engines.onnx import OnnxEngine

    return OnnxEngine(Path(reference), settings)


_FACTORIES: dict[str, Factory] = {"nano": _nano, "scripted": _scripted, "http": _http, "https": _https}


def create_engine(
    reference: str, settings: EngineSettings | None = None, server: ServerSettings | None = None
) -> Engine:
    """The engine behind a reference; `server` says how to reach one that is not in this process.

    Raises ModelError when there is no such model or it can't be loaded.
    """
    scheme, colon, rest = reference.partition(":")
    known = _FACTORIES.get(scheme) if colon else None
    local = _gguf if reference.lower().endswith(".gguf") else _folder
    own, remote = settings or EngineSettings(), server or ServerSettings()
    return known(rest, own, remote) if known else local(reference, own, remote)


def _speculative(large: Engine, small: Engine, *, draft: str = "small", k: int = 8, adaptive: bool = True) -> Engine:
    from relaygen.engines.onnx import OnnxEngine
    from relaygen.engines.speculative import SpeculativeEngine

    if draft not in ("small", "ngram"):
        raise ValueError(f"draft must be small or ngram, not {draft}")
    drafting = small if draft == "small" else None
    if not isinstance(large, OnnxEngine) or not isinstance(drafting, OnnxEngine | None):
        raise UsageError(f"speculative needs models in this process, unlike {large.name} or {small.name}.")
    return SpeculativeEngine(large, drafting, k=k, adaptive=adaptive)


_WRAPPERS: dict[str, Callable[..., Engine]] = {"speculative": _speculative}


def wrap_engine(name: str, large: Engine, small: Engine, options: Mapping[str, Any]) -> Engine:
    """The large engine of a pair, wrapped: `speculative(draft, k, adaptive)`. It uses both and closes neither.

    Raises UsageError when there is no such wrapper, an option is wrong, or these engines can't be wrapped in it.
    """
    if name not in _WRAPPERS:
        raise UsageError(f"There is no engine {name!r} to wrap a model in; there is {', '.join(_WRAPPERS)}.")
    known = [*signature(_WRAPPERS[name]).parameters][2:]
    if unknown := [option for option in options if option not in known]:
        raise UsageError(f"{name} has no option {unknown[0]}; it has {', '.join(known)}.")
    try:
        return _WRAPPERS[name](large, small, **options)
    except (TypeError, ValueError) as error:
        reason = re.sub(r"^_\w+\(\)", name, str(error))
        raise UsageError(f"{name} can't be made like that: {reason}.") from error
