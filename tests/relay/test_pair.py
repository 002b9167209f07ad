"""A profile of another pair is used, but not without a word."""

from __future__ import annotations

import warnings

import pytest

from relaygen.engines import fingerprint
from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import ProfileWarning
from relaygen.profile import Fingerprints, Profile
from relaygen.relay import Relay

LARGE, SMALL = ScriptedEngine([], name="L"), ScriptedEngine([], name="S")
OWN = Profile(
    name="own",
    large="L",
    small="S",
    cues=("Thus",),
    fingerprints=Fingerprints(large=fingerprint(LARGE), small=fingerprint(SMALL)),
)


def test_models_are_told_apart_by_name_where_their_weights_are_not_known() -> None:
    assert fingerprint(LARGE) == fingerprint(ScriptedEngine([], name="L"))
    assert fingerprint(LARGE) != fingerprint(SMALL)


def test_a_profile_of_this_pair_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Relay(LARGE, SMALL, profile=OWN)
        Relay(LARGE, SMALL, profile=Profile(name="published", cues=("Thus",)))
        Relay(LARGE, SMALL, profile=OWN.model_copy(update={"fingerprints": Fingerprints(small=fingerprint(SMALL))}))


def test_a_profile_of_another_pair_warns_once_and_names_the_model() -> None:
    other = ScriptedEngine([], name="M")
    with pytest.warns(ProfileWarning) as caught:
        Relay(other, SMALL, profile=OWN)
    (warning,) = caught
    assert str(warning.message).startswith("The profile own was calibrated for another pair: its large model was L")
    assert "this one is M" in str(warning.message)
    assert "small model" not in str(warning.message)
