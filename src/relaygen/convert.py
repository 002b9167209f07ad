"""Makes a local model: a Hugging Face decoder in, a folder for the ONNX engine out.

The work is done by onnxruntime-genai's model builder, in a process of its own: it talks a lot, keeps much memory, and
is not made to be called twice.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from relaygen.errors import MissingExtra, ModelError

Precision = Literal["int8", "int4", "fp32"]

BUILDER = "onnxruntime_genai.models.builder"
NEEDED = {"onnxruntime_genai": "onnxruntime-genai", "onnx": "onnx", "onnx_ir": "onnx-ir"} | {
    name: name for name in ("torch", "transformers")
}
# The builder writes them anew, in the dialect of its transformers; the originals are what the model came with.
ORIGINALS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def convert(source: str, out: Path, precision: Precision = "int8", *, hidden_states: bool = False) -> Path:
    """Builds a model for the CPU in the folder `out`, which is created, and returns it.

    `source` is a folder in Hugging Face format or, where the hub can be reached, a hub id. `out` appears when it is
    complete. With `hidden_states` the model gives those of its last layer too, which routers read.
    Raises MissingExtra when the extra `convert` is not installed, ModelError when the source can't be read or converted
    or when `out` holds something already.
    """
    _require_builder()
    folder = _folder(source)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out} exists already and is not an empty folder; choose another one or remove it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        built = Path(scratch) / "model"
        _build(source, folder, built, Path(scratch) / "cache", precision, hidden_states)
        if folder:
            _copy_originals(folder, built)
        _check(source, built)
        if out.exists():
            out.rmdir()
        built.rename(out)
    return out


def _require_builder() -> None:
    for module, package in NEEDED.items():
        if find_spec(module) is None:
            raise MissingExtra(package, "convert")


def _folder(source: str) -> Path | None:
    """The source as a folder; None when it is a hub id."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} has no config.json; a model in Hugging Face format is needed.")
        return folder
    if folder.exists() or not HUB_ID.fullmatch(source):
        raise ModelError(f"The folder {source} does not exist; give a model folder in Hugging Face format or a hub id.")
    return None


def _build(source: str, folder: Path | None, out: Path, cache: Path, precision: Precision, hidden_states: bool) -> None:
    origin = ["-i", str(folder.resolve())] if folder else ["-m", source]
    command = [sys.executable, "-m", BUILDER, *origin, "-o", str(out), "-c", str(cache), "-p", precision, "-e", "cpu"]
    # Caches that hold no more than a sliding window can't be rewound. Without a token in the command the hub's client
    # uses one that is stored, and none is needed for public models.
    command += ["--extra_options", "windowed_kv_cache=false", "hf_token=false"]
    command += ["include_hidden_states=true"] * hidden_states
    offline = {"HF_HUB_OFFLINE": "1"} if folder else {}
    done = subprocess.run(
        command, env=os.environ | offline, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing = "" if folder else f"There is no folder {source}, and as a hub id it did not work. "
        raise ModelError(f"{missing}The model builder can't convert {source}: {_reason(done)}")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of its traceback, which names the exception."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with code {done.returncode} and said nothing."


def _copy_originals(folder: Path, built: Path) -> None:
    for name in ORIGINALS:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, built / name)


def _check(source: str, built: Path) -> None:
    from relaygen.engines.onnx.layout import read_layout

    try:
        read_layout(built)
    except ModelError as error:
        raise ModelError(f"{source} was converted, but the ONNX engine can't run what came out: {error}") from error
