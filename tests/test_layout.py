"""The shape of the code itself: short functions, short modules, no failure swallowed without a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("src", "tests", "nano") for path in (ROOT / folder).rglob("*.py"))
MAX_FUNCTION = 60
MAX_MODULE = 300
BROAD = {"Exception", "BaseException"}


def complaints(source: str) -> Iterator[str]:
    lines = source.splitlines()
    if len(lines) > MAX_MODULE:
        yield f"the module has {len(lines)} lines; at most {MAX_MODULE} are allowed"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"line {node.lineno}: {node.name} has {length} lines; at most {MAX_FUNCTION} are allowed"
        elif isinstance(node, ast.ExceptHandler) and is_broad(node) and "# reason:" not in lines[node.lineno - 1]:
            yield f"line {node.lineno}: a broad except needs a comment  # reason: ..."


def is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in BROAD for node in ast.walk(handler.type))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_keep_their_shape(path: Path) -> None:
    assert list(complaints(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("clause", ["except:", "except Exception:", "except (ValueError, BaseException) as error:"])
def test_a_broad_except_is_noticed(clause: str) -> None:
    source = f"try:\n    pass\n{clause}\n    pass\n"
    assert list(complaints(source)) == ["line 3: a broad except needs a comment  # reason: ..."]
    assert list(complaints(source.replace(clause, f"{clause}  # reason: the edge of the process"))) == []


def test_a_narrow_except_is_fine() -> None:
    assert list(complaints("try:\n    pass\nexcept ValueError:\n    pass\n")) == []


def test_long_functions_and_modules_are_noticed() -> None:
    body = "    pass\n" * MAX_FUNCTION
    assert list(complaints(f"def long() -> None:\n{body}")) == ["line 1: long has 61 lines; at most 60 are allowed"]
    assert list(complaints("\n" * 301)) == ["the module has 301 lines; at most 300 are allowed"]
