"""The grammar of names, the same everywhere: `relaygen`, `random(share=0.7)`, `relaygen+speculative(k=4)`."""

from __future__ import annotations

import ast
import re
from typing import Any

from relaygen.errors import UsageError

SPEC = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
LONGEST = 2000  # characters; names come from the network too, and deep nesting exhausts Python's parser


def split_spec(spec: str) -> list[str]:
    """The parts of `a(…)+b(…)+c`: a policy, and what its large engine is wrapped in."""
    plain = QUOTED.sub(lambda found: "_" * len(found[0]), spec)
    depths, depth = [], 0
    for character in plain:
        depth += (character in "([{") - (character in ")]}")
        depths.append(depth)
    ends = [i for i, character in enumerate(plain) if character == "+" and depths[i] == 0]
    return [spec[start:end].strip() for start, end in zip([0, *(i + 1 for i in ends)], [*ends, len(spec)], strict=True)]


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Splits `name(option=value, …)`; values are Python literals, bare words are text. Raises UsageError."""
    found = SPEC.fullmatch(spec) if len(spec) <= LONGEST else None
    if not found:
        raise UsageError(f"{spec[:LONGEST]!r} is not a policy; write it like relaygen or random(share=0.7).")
    source = f"_({found[2] or ''}\n)"
    try:
        call = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"The options in {spec!r} can't be read; write option=value, and texts in quotes.") from error
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args:
        options = {option.arg: _value(option.value, source) for option in call.keywords if option.arg}
        if len(options) == len(call.keywords):
            return found[1], options
    raise UsageError(f"{found[2]!r} in {spec!r} is not a list of options; write option=value, each once.")


def _value(node: ast.expr, source: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.get_source_segment(source, node)
