"""The profiles that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaygen.errors import ProfileError
from relaygen.profile import default_profile, load_profile, shipped


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_profile_can_be_loaded(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert len(set(profile.cues)) == len(profile.cues) > 0


def test_the_published_lists_are_among_them() -> None:
    assert {"candidates", "nano", "qwen3-32b-1.7b", "r1-distill-32b-1.5b"} <= set(shipped())
    assert [load_profile(f"{name}").origin for name in ("qwen3-32b-1.7b", "r1-distill-32b-1.5b")] == ["published"] * 2
    assert not set(load_profile("qwen3-32b-1.7b").cues) - set(load_profile("candidates").cues)


@pytest.mark.parametrize(
    ("large", "small", "chosen"),
    [
        ("nano:large", "nano:small", "nano"),
        ("Qwen3-32B", "Qwen3-1.7B-int8", "qwen3-32b-1.7b"),
        ("DeepSeek-R1-Distill-Qwen-32B", "other", "r1-distill-32b-1.5b"),
        ("deepseek_r1_32b", "other", "r1-distill-32b-1.5b"),
        ("model-ver1", "nanochat", "candidates"),
        ("", "", "candidates"),
    ],
)
def test_the_default_fits_the_names_of_the_models(large: str, small: str, chosen: str) -> None:
    assert default_profile(large, small).name == chosen


def test_what_is_no_profile_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="There is no profile 'nowhere': give the path of a profile file, or one of"):
        load_profile("nowhere")
    with pytest.raises(ProfileError, match="There is no profile"):
        load_profile(str(tmp_path))
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    with pytest.raises(ProfileError, match="can't be read"):
        load_profile(str(tmp_path / "odd.toml"))
