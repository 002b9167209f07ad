"""Reading logs: line by line, so that a log may be larger than memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from relaygen.errors import UsageError
from relaygen.evals.header import VERSION, Header, Resumption
from relaygen.evals.types import Result
from relaygen.traces import trace_to_json

LOG = "log.jsonl"
Record = Header | Resumption | Result


@dataclass(frozen=True, slots=True)
class LogReader:
    """The records of one log. Every iteration reads the file anew."""

    path: Path

    @property
    def header(self) -> Header:
        """The first line. Raises UsageError for a log of another version, or no log at all."""
        with _opened(self.path) as lines:
            return _header(lines.readline(), self.path)

    def records(self) -> Iterator[Record]:
        """All complete records in order; a torn last line is passed over.

        Raises UsageError that names the line when one is broken.
        """
        with _opened(self.path) as lines:
            yield _header(lines.readline(), self.path)
            for number, line in enumerate(lines, 2):
                if not line.endswith(b"\n"):
                    return  # the process was killed while it wrote this one
                yield parse_record(line, f"{self.path}, line {number}")

    def results(self) -> Iterator[Result]:
        """The results in order. A sample that was tried again occurs again; the last one counts."""
        return (record for record in self.records() if isinstance(record, Result))

    @property
    def sessions(self) -> list[Header | Resumption]:
        """The header and every resumption, in order."""
        return [record for record in self.records() if not isinstance(record, Result)]


def find_log(path: Path) -> LogReader:
    """The log of a run, given its folder or the file itself. Raises UsageError when there is none."""
    file = path / LOG if path.is_dir() else path
    reader = LogReader(file)
    _ = reader.header
    return reader


def line_of(record: Record) -> bytes:
    """The record as one line of JSON."""
    if isinstance(record, Result):
        data = _results().dump_python(record, mode="json")
        data["trace"] = trace_to_json(record.trace) if record.trace else None
        data = {"kind": "result", **data}
    else:
        data = record.model_dump(mode="json")
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def parse_record(line: bytes, place: str) -> Resumption | Result:
    """A record after the header. Raises UsageError when it is broken; `place` is for the message."""
    try:
        data = json.loads(line)
        kind = data.pop("kind", None) if isinstance(data, dict) else None
        if kind == "result":
            return _results().validate_python(data)
        if kind == "resumption":
            return Resumption.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{place} is not a valid record: {_first(error)}.") from error
    except ValueError as error:
        raise UsageError(f"{place} is damaged: {error}.") from error
    raise UsageError(f"{place} is not a record of an evaluation log.")


def _header(line: bytes, path: Path) -> Header:
    try:
        data: Any = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path} is not an evaluation log: its first line is not JSON.") from error
    if not isinstance(data, dict) or data.get("kind") != "header":
        raise UsageError(f"{path} is not an evaluation log: its first line is not a header.")
    if data.get("version") != VERSION:
        raise UsageError(
            f"{path} is a log of version {data.get('version')}, but this relaygen reads version {VERSION}: "
            "use the relaygen that wrote it, or another folder."
        )
    try:
        return Header.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"The header of {path} is not valid: {_first(error)}.") from error


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc'])) or 'the record'}: {found['msg']}"


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"There is no evaluation log {path}: {error.strerror}.") from error


@cache
def _results() -> TypeAdapter[Result]:
    return TypeAdapter(Result)
