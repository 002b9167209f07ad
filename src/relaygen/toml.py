"""Writes TOML, for files that people read: the same data gives the same bytes. (Python itself only reads it.)"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
WIDTH = 118


def toml_text(data: Mapping[str, Any]) -> str:
    """TOML with the keys in the order of `data`; plain values come before tables, as the format wants it.

    A list of tables gets one line for each table. None is left out. Raises ValueError for a number that is not
    finite, TypeError for what TOML has no word for.
    """
    return "\n".join(_table(data, ())).strip() + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    tables = {k: v for k, v in data.items() if isinstance(v, Mapping)}
    plain = {k: v for k, v in data.items() if v is not None and k not in tables}
    if path and (plain or not tables):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_block(value, WIDTH - len(key) - 3)}"
    for key, value in tables.items():
        yield from _table(value, (*path, key))


def _block(value: Any, room: int) -> str:
    """A value after `key = `: long lists are broken into lines, tables in a list have a line each."""
    if not _is_list(value):
        return _inline(value)
    items = [_inline(v) for v in value]
    one_line = f"[{', '.join(items)}]"
    if any(isinstance(v, Mapping) for v in value):
        return "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    return one_line if len(one_line) <= room else "[\n" + "".join(f"    {line}\n" for line in _wrapped(items)) + "]"


def _wrapped(items: Sequence[str]) -> Iterator[str]:
    line = ""
    for item in items:
        if line and len(line) + len(item) + 6 > WIDTH:
            yield line
            line = ""
        line += f" {item}," if line else f"{item},"
    yield line


def _inline(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(value)
        case str():
            return _quoted(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items() if v is not None) + "}"
        case _ if _is_list(value):
            return f"[{', '.join(_inline(v) for v in value)}]"
    raise TypeError(f"TOML has no word for {value!r}")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} can't be written to a file that others read")
    return repr(float(value))


def _key(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    """JSON's escapes are TOML's, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
