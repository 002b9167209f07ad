"""What is written is what is read."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaygen.toml import toml_text

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.one_of(texts, st.integers(-(2**63), 2**63 - 1), numbers, st.booleans(), st.lists(texts), st.lists(numbers))
data = st.recursive(
    st.dictionaries(texts, plain),
    lambda tables: st.dictionaries(
        texts, st.one_of(plain, tables, st.lists(st.dictionaries(texts, plain), min_size=1))
    ),
    max_leaves=12,
)


@given(data)
def test_any_data_comes_back(value: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(value)) == value


def test_plain_values_come_before_tables_and_tables_in_a_list_have_a_line_each() -> None:
    written = toml_text({"a": {"x": 1}, "b": "é", "none": None, "rows": [{"k": 0.5}, {"k": 1.0, "no": None}]})
    assert written == 'b = "é"\nrows = [\n    {k = 0.5},\n    {k = 1.0},\n]\n\n[a]\nx = 1\n'


def test_long_lists_are_broken_into_lines() -> None:
    written = toml_text({"cues": ["Therefore,"] * 30})
    assert max(map(len, written.splitlines())) <= 120
    assert len(written.splitlines()) > 3


@pytest.mark.parametrize(
    ("value", "error"), [(float("nan"), ValueError), (float("inf"), ValueError), (b"x", TypeError)]
)
def test_what_the_format_cannot_say_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        toml_text({"x": value})
