"""GGUF files: llama.cpp's server, started on loopback in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaygen.engines.openai.engine import ServerEngine
from relaygen.engines.openai.gguf_tokenizer import tokenizer_of
from relaygen.engines.servers import ServerSettings
from relaygen.errors import MissingExtra, ModelError
from relaygen.tokenizer import Tokenizer

if TYPE_CHECKING:
    from relaygen.engines import EngineSettings

SAMPLE = "Wait, 3.14 isn't 22/7…\n\n\tSo x² = 10 😀, i.e. DON'T round!  Thus:\n1. çà"
SPECIALS = 32  # special tokens that are compared; models have up to a thousand unused ones


def open_gguf(path: Path, settings: EngineSettings, server: ServerSettings) -> ServerEngine:
    """The model in a file. Its tokenizer is the one given, the tokenizer.json beside the file, or the file's own.

    Raises ModelError when the file or its tokenizer can't be used, MissingExtra without the extra `gguf`.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    given = server.tokenizer or (str(path.parent) if (path.parent / "tokenizer.json").is_file() else "")
    tokenizer = None if given else tokenizer_of(path)
    running = _start(path, settings)
    engine = ServerEngine(
        running.pop("address"),
        replace(server, tokenizer=given, dialect="llama-server"),
        name=path.stem,
        tokenizer=tokenizer,
        on_close=running.clear,
    )
    _compare(engine, engine.tokenizer, path)
    return engine


def _start(path: Path, settings: EngineSettings) -> dict[str, Any]:
    """A running server and its address. It stops when nothing refers to it any more."""
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingExtra("xllamacpp", "gguf") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.port = 0
    # Each sequence has a context of its own, so that one long answer can't take the others' room.
    params.n_ctx = settings.context * settings.sequences
    params.n_parallel = settings.sequences
    params.kv_unified = False
    params.ctx_shift = False
    params.endpoint_metrics = True
    params.ui = False
    params.verbosity = -1
    if settings.threads:
        params.cpuparams.n_threads = settings.threads
        params.cpuparams_batch.n_threads = settings.threads
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"llama.cpp can't load {path}: {error}") from error
    return {"server": server, "address": server.listening_address}


def _compare(engine: ServerEngine, tokenizer: Tokenizer, path: Path) -> None:
    """Raises ModelError when the file's vocabulary is not the tokenizer's: ids would mean other tokens."""
    text = SAMPLE + tokenizer.decode(sorted(tokenizer.special_ids)[:SPECIALS])
    body = {"content": text, "add_special": False, "parse_special": True}
    theirs = engine.clients[0].ask("/tokenize", body).get("tokens")
    if theirs != tokenizer.encode(text):
        raise ModelError(f"The tokenizer does not fit {path}: name the folder of its original model with --tokenizer.")
