"""Real servers with relay-nano, started once: a pair of vLLM's and a pair of llama.cpp's, and the same weights in this
process as fp32.

`make test-servers` runs this folder. It makes an environment with vLLM and says in RELAYGEN_VLLM_PYTHON where it is, or
in RELAYGEN_VLLM_MISSING why there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relaygen.engines import Engine, ServerSettings, create_engine
from relaygen.engines.openai import ServerEngine
from relaygen.profile import load_profile
from relaygen.relay import Options, Relay
from relaygen.types import GREEDY, LARGE, SMALL
from servers import ROLES, Server, checkpoints, gguf_files, llama_pair, packaged, vllm_pair

KINDS = ("vllm", "llama-server")
PROFILE = load_profile("nano").model_copy(update={"fingerprints": None})  # these are the same weights in other formats
OPTIONS = Options(sampling=GREEDY, max_tokens=700, margins=True)


@dataclass(frozen=True)
class RealPair:
    """Two running servers of one kind; `tokenizer` is the folder of the large model, whose tokenizer both have."""

    kind: str
    servers: Mapping[str, Server]
    tokenizer: Path

    def engine(self, role: str, **settings: object) -> ServerEngine:
        """A new engine; the caller closes it."""
        return ServerEngine(self.servers[role].url, ServerSettings(tokenizer=str(self.tokenizer), **settings))  # type: ignore[arg-type]

    def relay(self, small: Engine | None = None, **settings: object) -> Relay:
        """Both models on their servers, or small elsewhere."""
        large, other = self.engine(LARGE, **settings), small or self.engine(SMALL, **settings)
        return Relay(large, other, profile=PROFILE, options=OPTIONS)


@dataclass
class Findings:
    """What the tests measured, for the end of the output."""

    lines: list[str] = field(default_factory=list)


FOUND = pytest.StashKey[Findings]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = Findings()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[FOUND].lines:
        terminalreporter.section("real servers")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def found(request: pytest.FixtureRequest) -> list[str]:
    """Lines that are printed at the end."""
    return request.config.stash[FOUND].lines


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pair in Hugging Face format."""
    for module in ("onnx", "safetensors"):
        pytest.importorskip(module, reason=f"{module} is not installed: make test-servers does it")
    return checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def files(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pair as GGUF."""
    for module in ("xllamacpp", "gguf"):
        pytest.importorskip(module, reason="the extra gguf is not installed")
    return gguf_files(folders, tmp_path_factory.mktemp("gguf"))


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pair as fp32 ONNX: the measure."""
    pytest.importorskip("onnx", reason="onnx is not installed: make test-servers does it")
    from unquantize import unquantize

    out = tmp_path_factory.mktemp("fp32")
    for role in ROLES:
        unquantize(packaged(role), out / role)
    return {role: out / role for role in ROLES}


@pytest.fixture(scope="session")
def vllm(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPair]:
    python = os.environ.get("RELAYGEN_VLLM_PYTHON")
    if not python:
        pytest.skip(os.environ.get("RELAYGEN_VLLM_MISSING", "there is no vLLM: make test-servers installs it"))
    with vllm_pair(python, folders, tmp_path_factory.mktemp("vllm")) as servers:
        yield RealPair("vllm", servers, folders["large"])


@pytest.fixture(scope="session")
def llama(
    folders: dict[str, Path], files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealPair]:
    with llama_pair(files, tmp_path_factory.mktemp("llama")) as servers:
        yield RealPair("llama-server", servers, folders["large"])


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> RealPair:
    """Both kinds, one after the other."""
    running: RealPair = request.getfixturevalue("vllm" if request.param == "vllm" else "llama")
    return running


@pytest.fixture(scope="session")
def local(references: dict[str, Path]) -> Iterator[Relay]:
    """The pair in this process, in fp32."""
    large, small = (create_engine(str(references[role])) for role in ROLES)
    with Relay(large, small, profile=PROFILE, options=OPTIONS) as relay:
        yield relay
