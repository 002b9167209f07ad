"""Deferral, every branch, driven by made-up segments, and once on engines."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, wrote

from relaygen.policies.base import Write
from relaygen.policies.deferral import Deferral
from relaygen.types import LARGE, SMALL, Ending
from relaygen.until import margin_below, think_end, tokens

SMALL_WRITES = Write(SMALL, until=margin_below(0.9, drop=True) | think_end())
LARGE_WRITES = Write(LARGE, until=tokens(4) | think_end())
DOUBT = wrote("so it is", Ending.MARGIN)
DONE = wrote("</think>", Ending.THINK_END)


def test_large_writes_where_small_is_unsure_and_small_goes_on() -> None:
    drive = Drive(Deferral())
    assert drive.asked == SMALL_WRITES
    assert drive.answer(DOUBT) == LARGE_WRITES
    assert drive.answer(wrote("four", role=LARGE)) == SMALL_WRITES


def test_small_that_never_doubts_reasons_and_answers_alone() -> None:
    drive = Drive(Deferral())
    assert drive.answer(DONE) == Write(SMALL)
    assert drive.answer(wrote()) is None


def test_large_may_end_the_thinking() -> None:
    drive = Drive(Deferral())
    drive.answer(DOUBT)
    assert drive.answer(DONE) == Write(SMALL)


@pytest.mark.parametrize("setting", [{"threshold": 2}, {"threshold": -0.1}, {"tokens": 0}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Deferral(**setting)  # type: ignore[arg-type]
