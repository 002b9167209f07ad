"""Real servers with relay-nano on loopback: a pair of vLLM's, or of llama.cpp's, for tests and benchmarks.

    python nano/servers.py vllm /path/to/environment/bin/python     # scripts/vllm-environment prints it
    python nano/servers.py llama-server

Prints both addresses once they answer, and ends the servers with Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from urllib.error import URLError

ROLES = ("large", "small")
CONTEXT = 2048
START_SECONDS = 600.0  # 40 to 90 on an idle machine
STOP_SECONDS = 20.0
LOG_TAIL = 3000  # characters of a log in an error


class Server:
    """A server in a process group of its own. `kill` and `start` again keep the address."""

    def __init__(self, command: Sequence[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.log = log
        self._command = list(command)
        self._env = {**os.environ, **(env or {})}
        self.start()

    def start(self) -> None:
        """Begins to start; `wait` says when it is there."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def revive(self) -> None:
        """Starts it again, at the same address, if it does not run."""
        if self._process.poll() is not None:
            self.start()

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Until it answers. Raises RuntimeError, with the end of its log, when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not _healthy(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.url} did not start:\n{self.log.read_text(errors='replace')[-LOG_TAIL:]}")
            time.sleep(0.25)

    def kill(self) -> None:
        """As the kernel does when memory runs out: at once, and the workers too."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Ends it, and whatever it has started."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # all of the group have ended
            os.killpg(self._process.pid, number)


@contextmanager
def vllm_pair(python: str, folders: Mapping[str, Path], logs: Path) -> Iterator[dict[str, Server]]:
    """vLLM for both models (folders in Hugging Face format); `python` is that of an environment that has it."""
    with _running({role: _vllm(python, role, folders[role], logs) for role in ROLES}) as servers:
        yield servers


@contextmanager
def llama_pair(files: Mapping[str, Path], logs: Path) -> Iterator[dict[str, Server]]:
    """llama.cpp's server for both models (GGUF files)."""
    with _running({role: _llama(role, files[role], logs) for role in ROLES}) as servers:
        yield servers


@contextmanager
def _running(servers: dict[str, Server]) -> Iterator[dict[str, Server]]:
    try:
        for server in servers.values():
            server.wait()
        yield servers
    finally:
        for server in servers.values():
            server.stop()


def _vllm(python: str, role: str, folder: Path, logs: Path) -> Server:
    port = free_port()
    options = {
        "--model": str(folder),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--served-model-name": f"nano-{role}",
        "--dtype": "float32",  # as the model in this process that it is compared with
        "--block-size": "32",  # the CPU's default of 128 hides what a cache does on short texts
        "--max-model-len": str(CONTEXT),
        "--max-num-seqs": "8",
        "--max-num-batched-tokens": "1024",
        "--generation-config": "vllm",
    }
    flags = ["--enforce-eager", "--enable-prompt-tokens-details"]
    words = [word for pair in options.items() for word in pair]
    env = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",  # threads that wait for each other on a crowded machine cost more than they bring
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_SERVER_DEV_MODE": "1",  # lets a benchmark empty the prefix cache
    }
    command = [python, "-m", "vllm.entrypoints.openai.api_server", *words, *flags]
    return Server(command, port, logs / f"vllm-{role}.log", env)


def _llama(role: str, file: Path, logs: Path) -> Server:
    port = free_port()
    command = [sys.executable, __file__, "serve-gguf", str(file), str(port)]
    return Server(command, port, logs / f"llama-{role}.log")


def serve_gguf(file: str, port: int) -> None:
    """llama.cpp's server, until somebody ends the process."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = file
    params.port = port
    params.n_parallel = 4
    params.n_ctx = CONTEXT * params.n_parallel
    params.kv_unified = False
    params.ctx_shift = False
    params.endpoint_metrics = True
    params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url.removesuffix("v1") + "health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):  # not listening yet, still loading, gone
        return False


def packaged(role: str) -> Path:
    """The folder of a model that ships with the package."""
    return Path(str(resources.files("relaygen") / "nano" / role))


def checkpoints(out: Path) -> dict[str, Path]:
    """Both models in Hugging Face format."""
    from restore import restore

    for role in ROLES:
        restore(packaged(role), out / role)
    return {role: out / role for role in ROLES}


def gguf_files(folders: Mapping[str, Path], out: Path) -> dict[str, Path]:
    """Both models as GGUF, from those folders."""
    from write_gguf import write_gguf

    return {role: write_gguf(folders[role], out / f"nano-{role}.gguf") for role in ROLES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["vllm", "llama-server", "serve-gguf"])
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    if given.kind == "serve-gguf":
        serve_gguf(given.arguments[0], int(given.arguments[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folders = checkpoints(Path(name))
        pair = (
            vllm_pair(given.arguments[0], folders, Path(name))
            if given.kind == "vllm"
            else llama_pair(gguf_files(folders, Path(name)), Path(name))
        )
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with pair as servers:
            print(f"tokenizer {folders['large']}")
            print(*(f"{role} {server.url}" for role, server in servers.items()), sep="\n", flush=True)
            signal.pause()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
