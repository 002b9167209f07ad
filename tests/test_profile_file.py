"""Profiles as files: what calibration writes comes back, what is broken is one clear sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.policies.driving import Drive, wrote

from relaygen.errors import ProfileError
from relaygen.policies import create_policy
from relaygen.policies.relaygen import RelayGen
from relaygen.profile import (
    Fingerprints,
    Point,
    Profile,
    Source,
    load_profile,
    parse_profile,
    profile_text,
    save_profile,
    shipped,
)
from relaygen.types import LARGE, SMALL, Ending

PROFILE = Profile(
    name="pair",
    cues=("Thus", 'So "it" \\ ', "も"),
    fingerprints=Fingerprints(large="aa", small="bb"),
    source=Source(relaygen="1.0", task="nano", n=2, tokens=30, temperature=0.6),
    predicted=Point(cues=3, large_share=0.61, switches=1.5, offloaded=12.0, disagreements=0.01),
)


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    save_profile(PROFILE, tmp_path / "new" / "pair.toml")
    assert load_profile(str(tmp_path / "new" / "pair.toml")) == PROFILE
    assert profile_text(PROFILE) == profile_text(parse_profile(profile_text(PROFILE), "it"))


def test_what_is_unknown_is_not_in_the_file() -> None:
    text = profile_text(Profile(name="bare", cues=("Thus",)))
    assert (
        text
        == 'name = "bare"\norigin = "calibrated"\ncues = ["Thus"]\nmatch = "word"\nchain = false\nanswerer = "small"\n'
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('cues = ["Thus"', "not valid TOML"),
        ("cues = []", "cues: the list is empty"),
        ("", "cues: this field is needed"),
        ('cues = ["Thus"]\nqueues = 1', "queues: there is no such field"),
        ('cues = ["Thus"]\nanswerer = "nobody"', "answerer: "),
        ('cues = ["Thus", " "]', "cues.1: "),
        (
            'cues = ["Thus"]\n[predicted]\ncues = 1\nlarge_share = 1.5\nswitches = 0\noffloaded = 0',
            "predicted.large_share",
        ),
        ('cues = ["Thus"]\n[source]\nrelaygen = "1"', "source.task: this field is needed"),
        ('cues = ["Thus"]\n[evidence]\nstatistics = [{cue = "a", colour = 1}]', "evidence.statistics.0."),
    ],
)
def test_a_broken_profile_is_one_clear_sentence(change: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(f'name = "x"\n{change}', "pair.toml")
    assert str(caught.value).startswith("The profile pair.toml is not valid")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProfileError, match="can't be written"):
        save_profile(PROFILE, tmp_path / "file" / "pair.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_published_profiles_are_there_and_say_so() -> None:
    published = {name: load_profile(name) for name in shipped() if load_profile(name).origin == "published"}
    assert {name: len(profile.cues) for name, profile in published.items()} == {
        "qwen3-32b-1.7b": 28,
        "r1-distill-32b-1.5b": 25,
    }
    assert all(profile.fingerprints is None for profile in published.values())


@pytest.mark.parametrize("answerer", [LARGE, SMALL])
def test_the_policy_lets_that_model_answer_which_the_profile_names(answerer: Any) -> None:
    drive = Drive(create_policy("relaygen", PROFILE.model_copy(update={"answerer": answerer})))
    asked = drive.answer(wrote(ending=Ending.THINK_END))
    assert asked is not None
    assert asked.role is answerer  # type: ignore[union-attr]


def test_a_policy_can_bring_its_own_profile(tmp_path: Path) -> None:
    save_profile(PROFILE, tmp_path / "own.toml")
    policy = create_policy(f"relaygen(profile='{tmp_path / 'own.toml'}', min_tokens=3)", load_profile("candidates"))
    assert policy == RelayGen(PROFILE, min_tokens=3)
    with pytest.raises(ProfileError, match="no profile 'nope'"):
        create_policy("guarded(profile=nope)", PROFILE)
