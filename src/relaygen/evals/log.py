"""Writing logs: append-only, one line per result, on the disk before the next one is begun."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from relaygen.errors import UsageError
from relaygen.evals.header import Header, Resumption, differences
from relaygen.evals.reading import LOG, LogReader, line_of
from relaygen.evals.types import Key, Result


class EvalLog:
    """The log of one run, open for writing. Survives `kill -9` at any moment: what was appended stays.

    `done` are the results that it holds. Opening takes a lock, so that two processes never write one log.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.done: set[Key] = set()
        self.failed: set[Key] = set()
        self._descriptor = descriptor
        self._length = os.fstat(descriptor).st_size

    @classmethod
    def open(cls, folder: Path, header: Header) -> Self:
        """Begins a log in `folder`, or takes up the one that is there.

        Raises UsageError when it belongs to another version or configuration, is damaged, is being written by
        another process, or can't be written.
        """
        path = folder / LOG
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UsageError(f"The log {path} can't be written: {error.strerror}.") from error
        log = cls(path, descriptor)
        try:
            _lock(descriptor, path)
            log._mend()
            log._begin(header)
        except BaseException:  # reason: only to free the lock; the error goes on
            log.close()
            raise
        return log

    def append(self, result: Result) -> None:
        """Writes one result and waits until the disk has it.

        Raises UsageError when it can't be written, for example on a full disk; the log then ends with the result
        before it.
        """
        self._write(line_of(result))
        self._note(result)

    def close(self) -> None:
        """Frees the lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _note(self, result: Result) -> None:
        self.done.add(result.key)
        (self.failed.add if result.error else self.failed.discard)(result.key)

    def _mend(self) -> None:
        """Cuts off a last line without an end: its process was killed while writing."""
        with self.path.open("rb") as file:
            end = 0
            for line in file:
                end += len(line) if line.endswith(b"\n") else 0
        if end < self._length:
            os.ftruncate(self._descriptor, end)
            self._length = end

    def _begin(self, header: Header) -> None:
        if self._length == 0:
            self._write(line_of(header))
            _sync_folder(self.path.parent)
            return
        self._check(header)
        for record in LogReader(self.path).records():
            if isinstance(record, Result):
                self._note(record)
        self._write(line_of(Resumption(created=header.created, extent=header.extent, environment=header.environment)))

    def _check(self, header: Header) -> None:
        old = LogReader(self.path).header
        changed = differences(old.settings, header.settings)
        if old.environment.relaygen != header.environment.relaygen:
            changed.append(f"relaygen was {old.environment.relaygen}, now it is {header.environment.relaygen}")
        if changed:
            raise UsageError(
                f"{self.path} was begun with another configuration: {'; '.join(changed)}. "
                "Give --out another folder, or the same settings."
            )

    def _write(self, line: bytes) -> None:
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):  # what can't be cut off now will be when the log is opened next
                os.ftruncate(self._descriptor, self._length)
            raise UsageError(
                f"The log {self.path} can't be written: {error.strerror}. All finished results are in it; "
                "make room and run the same command again to go on."
            ) from error
        self._length += len(line)


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(f"{path} is being written by another process.") from error


def _sync_folder(folder: Path) -> None:
    """Makes the disk remember the new file's name."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
