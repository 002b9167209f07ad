"""Profiles of one pair put together."""

from __future__ import annotations

import pytest

from relaygen.calibration.merge import merged
from relaygen.errors import ProfileError
from relaygen.profile import Fingerprints, Profile, load_profile
from relaygen.types import LARGE

A = Profile(name="a", cues=("Thus", "Now"), fingerprints=Fingerprints(large="1", small="2"))
B = A.model_copy(update={"name": "b", "cues": ("So", "Now"), "answerer": LARGE})


def test_union_and_intersection() -> None:
    assert merged([A, B], "union", name="ab").cues == ("Thus", "Now", "So")
    assert merged([A, B], "intersection", name="ab").cues == ("Now",)


def test_the_more_careful_answerer_and_the_pair_are_kept() -> None:
    found = merged([A, B], "union", name="ab")
    assert (found.name, found.answerer, found.fingerprints) == ("ab", LARGE, A.fingerprints)


def test_profiles_of_different_pairs_are_refused() -> None:
    with pytest.raises(ProfileError, match="only profiles of one pair"):
        merged([A, A.model_copy(update={"fingerprints": Fingerprints(large="1", small="3")})], "union", name="x")
    with pytest.raises(ProfileError, match="Qwen3-32B"):
        merged([load_profile("qwen3-32b-1.7b"), load_profile("r1-distill-32b-1.5b")], "union", name="x")


def test_different_matching_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"word.*substring"):
        merged([A, A.model_copy(update={"match": "substring"})], "union", name="x")


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(ProfileError, match="no cue in common"):
        merged([A, A.model_copy(update={"cues": ("So",)})], "intersection", name="x")
