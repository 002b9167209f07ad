"""The grammar of policy names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaygen.errors import UsageError
from relaygen.policies.spec import parse_spec, split_spec


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("random", {}),
        (" random ( ) ", {}),
        ("random(share=0.7, seed=3)", {"share": 0.7, "seed": 3}),
        ("random(draft=ngram)", {"draft": "ngram"}),
        ("random(draft='n, gram')", {"draft": "n, gram"}),
        (
            "random(words=['a', 'b'], on=True, none=None, low=-1)",
            {"words": ["a", "b"], "on": True, "none": None, "low": -1},
        ),
        ("random(kind=two-words)", {"kind": "two-words"}),
    ],
)
def test_options_are_literals_or_words(spec: str, options: dict[str, object]) -> None:
    assert parse_spec(spec) == ("random", options)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "Random",
        "random(",
        "random)",
        "random(0.7)",
        "random(**x)",
        "random(a=1, a=2)",
        "random(a=)",
        "random(a=1)(b=2)",
        "random(a=1) # x",
        "random(" + "(" * 900 + ")",
        "random(a='" + "x" * 3000 + "')",
        "random(a=\0)",
    ],
)
def test_what_is_not_a_name_is_one_sentence(spec: str) -> None:
    with pytest.raises(UsageError):
        parse_spec(spec)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("relaygen", ["relaygen"]),
        ("large + speculative(k=4)", ["large", "speculative(k=4)"]),
        ("a(x=1e+5)+b(y='+')+c", ["a(x=1e+5)", "b(y='+')", "c"]),
        ("a+", ["a", ""]),
    ],
)
def test_wrappers_stand_behind_a_plus(spec: str, parts: list[str]) -> None:
    assert split_spec(spec) == parts


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for part in split_spec(text):
        try:
            name, options = parse_spec(part)
        except UsageError:
            continue
        assert name in part
        assert all(option.isidentifier() for option in options)
