"""Rows of the files that benchmarks come in: JSON Lines, JSON, CSV, Parquet. Each row knows where it stands."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from relaygen.errors import MissingExtra, UsageError

csv.field_size_limit(1 << 30)  # worked solutions are longer than the default allows


class Row(NamedTuple):
    """One record. `place` is for messages, for example `line 7`; `fields` have lower-case names."""

    place: str
    fields: Mapping[str, Any]


def read_rows(path: Path) -> list[Row]:
    """All rows of a file. Raises UsageError that names the file, and the line when one is broken."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is not a kind of file that can be read; there are {', '.join(READERS)}.")
    try:
        rows = list(reader(path))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}.") from error
    if not rows:
        raise UsageError(f"{path} is empty; it has no problems.")
    return rows


def row_of(place: str, fields: object, source: object) -> Row:
    """A row with the names of its fields in lower case. Raises UsageError when it is not an object."""
    if not isinstance(fields, Mapping):
        raise UsageError(f"{source}, {place}: expected an object with fields, got {type(fields).__name__}.")
    return Row(place, {str(key).strip().lower(): value for key, value in fields.items()})


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield row_of(f"line {number}", _json(line, f"{path}, line {number}"), path)


def _json_array(path: Path) -> Iterator[Row]:
    content = _json(path.read_text(encoding="utf-8-sig") or "[]", str(path))
    if not isinstance(content, list):
        raise UsageError(f"{path} should hold an array of problems, but holds a {type(content).__name__}.")
    for number, fields in enumerate(content, 1):
        yield row_of(f"row {number}", fields, path)


def _json(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not valid JSON: {error}.") from error


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for fields in reader:
                place = f"line {reader.line_num}"
                if None in fields or None in fields.values():
                    raise UsageError(f"{path}, {place}: the number of values is not that of the heading.")
                yield row_of(place, fields, path)
        except csv.Error as error:
            raise UsageError(f"{path}, line {reader.line_num} is not valid CSV: {error}.") from error


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtra("pyarrow", "eval") from error
    try:
        content = parquet.read_table(path).to_pylist()
    except pyarrow.ArrowException as error:
        raise UsageError(f"{path} is not a valid Parquet file: {error}.") from error
    for number, fields in enumerate(content, 1):
        yield row_of(f"row {number}", fields, path)


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".csv": _csv,
    ".parquet": _parquet,
}
