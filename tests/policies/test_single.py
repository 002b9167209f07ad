"""The two ends of the scale, and the simplest relay."""

from __future__ import annotations

import pytest
from tests.policies.driving import Drive, wrote

from relaygen.policies import Write, create_policy
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL, Ending, Role
from relaygen.until import think_end

PROFILE = Profile(name="test", cues=("Thus",))


@pytest.mark.parametrize(("name", "role"), [("large", LARGE), ("small", SMALL)])
def test_one_model_writes_reasoning_and_answer(name: str, role: Role) -> None:
    policy = create_policy(name, PROFILE)
    drive = Drive(policy)
    assert policy.name == name
    assert drive.asked == Write(role)
    assert drive.answer(wrote("</think>", Ending.THINK_END)) == Write(role)
    assert drive.answer(wrote("42", Ending.EOS)) is None


def test_answer_only_hands_over_once() -> None:
    drive = Drive(create_policy("answer-only", PROFILE))
    assert drive.asked == Write(LARGE, think_end())
    assert drive.answer(wrote("</think>", Ending.THINK_END)) == Write(SMALL)
    assert drive.answer(wrote("42", Ending.EOS)) is None
