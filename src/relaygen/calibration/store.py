"""A JSONL file that grows by one record at a time and survives a kill at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relaygen.errors import UsageError

Record = dict[str, Any]


class Store:
    """A head line that says what the file belongs to, then one record a line.

    A line that was cut off by a kill is dropped when the file is opened again; everything before it is kept.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Opens the file, or begins it. Raises UsageError when it belongs to something else or is broken inside."""
        self.path = path
        self.records: list[Record] = []
        lines = _whole_lines(path)
        if lines:
            _check_head(path, _record(path, 1, lines[0]), head)
            self.records = [_record(path, i, line) for i, line in enumerate(lines[1:], 2)]
        else:
            self._write(dict(head))

    def append(self, record: Record) -> None:
        """Keeps a record. It is with the operating system when this returns. Raises UsageError when it can't be."""
        self._write(record)
        self.records.append(record)

    def _write(self, record: Record) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise UsageError(f"{self.path} can't be written: {error.strerror}.") from error


def _whole_lines(path: Path) -> list[bytes]:
    """The complete lines; what follows the last of them is cut off the file."""
    try:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from error
    return content[:whole].splitlines()


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
