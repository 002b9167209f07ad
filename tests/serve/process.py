"""A gateway in a process of its own: `python process.py` serves the scripted pair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any

from tests.serve.pair import Served, live, make_relay

from relaygen.serve import Keys, ServeSettings, listen, serve
from relaygen.serve.log import configure

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds


class Process(Served):
    """A running gateway. `events` are its log's lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr
        self._lines: SimpleQueue[str] = SimpleQueue()
        # Somebody has to read all the time: a full pipe would stop the process.
        self._reader = Thread(target=self._read, args=(process.stderr,))
        self._reader.start()
        super().__init__(str(self.event("listening")["url"]))

    def event(self, name: str) -> dict[str, Any]:
        """Reads the log up to a line about `name`."""
        seen = []
        while text := self._lines.get(timeout=PATIENCE):
            seen.append(text)
            if text.startswith("{") and (line := json.loads(text))["event"] == name:
                assert isinstance(line, dict)
                return line
        raise AssertionError(f"the log ended without {name!r}: {''.join(seen)}")

    def end(self) -> int:
        """Waits for the end of the process; returns its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join()
        return code

    def _read(self, log: IO[str]) -> None:
        for text in log:
            self._lines.put(text)
        self._lines.put("")
        log.close()


@contextmanager
def started(arguments: Sequence[str]) -> Iterator[Process]:
    """A gateway that was started with these arguments of Python's; killed if it has not ended with the block."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        yield Process(process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def in_a_process() -> Iterator[Served]:
    with started([__file__]) as process:
        yield process


@contextmanager
def in_a_thread() -> Iterator[Served]:
    with live(make_relay()) as gateway:
        yield gateway


PLACES: dict[str, Callable[[], AbstractContextManager[Served]]] = {"thread": in_a_thread, "process": in_a_process}

if __name__ == "__main__":
    with listen(ServeSettings(port=0)) as listener:
        configure()
        serve(make_relay(), ServeSettings(), Keys(), listener)
