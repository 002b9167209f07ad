"""A JSONL file that grows by one record at a time and survives a kill at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

from relaygen.errors import UsageError

Record = dict[str, Any]


class Store:
    """A head line that says what the file belongs to, then one record a line. Use it in a `with`: it holds a lock.

    A line that was cut off by a kill is dropped when the file is opened again; everything before it is kept.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Opens the file, or begins it.

        Raises UsageError when it belongs to something else, is broken inside, or another process writes it.
        """
        self.path = path
        self.records: list[Record] = []
        self._file = _opened(path)
        try:
            _lock(self._file, path)
            self._read(head)
        except BaseException:  # reason: only to free the lock; the error goes on
            self._file.close()
            raise

    def append(self, record: Record) -> None:
        """Keeps a record. It is with the operating system when this returns. Raises UsageError when it can't be."""
        self._write(record)
        self.records.append(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def _read(self, head: Mapping[str, Any]) -> None:
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        self._file.truncate(whole)
        self._file.seek(whole)
        lines = content[:whole].splitlines()
        if not lines:
            self._write(dict(head))
            return
        _check_head(self.path, _record(self.path, 1, lines[0]), head)
        self.records = [_record(self.path, i, line) for i, line in enumerate(lines[1:], 2)]

    def _write(self, record: Record) -> None:
        try:
            self._file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UsageError(f"{self.path} can't be written: {error.strerror}.") from error


def _opened(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path.open("r+b")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}.") from error


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(f"Another process is calibrating with {path}; wait for it, or use another folder.") from error


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}, line {number} is not JSON: {error}.") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path}, line {number} should hold a JSON object, but holds a {type(record).__name__}.")
    return record


def _check_head(path: Path, found: Record, expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        if key not in found or found[key] != json.loads(json.dumps(value)):
            raise UsageError(
                f"{path} belongs to another run: its {key} is {found.get(key)!r}, not {value!r}. Use another folder "
                "for the working files, or remove it."
            )
