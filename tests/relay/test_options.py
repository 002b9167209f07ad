"""Settings of one generation that can't be meant."""

from __future__ import annotations

from typing import Any

import pytest

from relaygen.errors import UsageError
from relaygen.relay import Options
from relaygen.types import Sampling

NAN = float("nan")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"max_tokens": -5}, "max_tokens must be at least 1, not -5"),
        ({"sampling": Sampling(temperature=-1)}, "temperature must be a number of at least 0, not -1"),
        ({"sampling": Sampling(temperature=NAN)}, "temperature must be a number of at least 0, not nan"),
        ({"sampling": Sampling(temperature=float("inf"))}, "temperature must be a number of at least 0, not inf"),
        ({"sampling": Sampling(top_p=0)}, "top_p must be above 0 and at most 1, not 0"),
        ({"sampling": Sampling(top_p=1.1)}, "top_p must be above 0 and at most 1, not 1.1"),
        ({"sampling": Sampling(top_p=NAN)}, "top_p must be above 0"),
        ({"sampling": Sampling(top_k=-1)}, "top_k must not be negative, but it is -1"),
        ({"sampling": Sampling(min_p=1.5)}, "min_p must be between 0 and 1, not 1.5"),
        ({"sampling": Sampling(min_p=NAN)}, "min_p must be between 0 and 1, not nan"),
        ({"stop": ("a", "")}, "A stop text must not be empty"),
        ({"stop": "###"}, "stop must be a list of texts"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Options(**settings)


def test_the_edges_are_fine() -> None:
    sampling = Sampling(temperature=0, top_k=0, top_p=1, min_p=1)
    assert Options(sampling=sampling, max_tokens=1, stop=("x",)).sampling is sampling
