"""`relay.toml`: what it may say, and what wins over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaygen.config import RelayConfig, load_config
from relaygen.engines import EngineSettings
from relaygen.errors import UsageError
from relaygen.types import Sampling

WHOLE = """
large = "models/large"
small = "models/small"
policy = "random(share=0.7)"
profile = "nano"
max_tokens = 512
stop = ["###", "END"]
thinking = false

[sampling]
temperature = 0.0
top_k = 5
seed = 7

[engine]
context = 1024
threads = 2
"""


def load(folder: Path, content: str) -> RelayConfig:
    path = folder / "relay.toml"
    path.write_text(content, encoding="utf-8")
    return load_config(path)


def test_without_a_file_there_are_defaults() -> None:
    config = load_config(None)
    assert (config.large, config.small, config.policy, config.profile) == ("nano:large", "nano:small", "relaygen", None)
    assert config.options.sampling == Sampling()


def test_a_file_sets_everything(tmp_path: Path) -> None:
    config = load(tmp_path, WHOLE)
    assert (config.large, config.small, config.policy) == ("models/large", "models/small", "random(share=0.7)")
    assert config.profile == "nano"
    assert config.engine == EngineSettings(context=1024, threads=2)
    options = config.options
    assert (options.max_tokens, options.stop, options.thinking) == (512, ("###", "END"), False)
    assert options.sampling == Sampling(temperature=0, top_k=5, seed=7)


def test_what_a_file_does_not_say_has_its_default(tmp_path: Path) -> None:
    config = load(tmp_path, "[sampling]\nseed = 3\n")
    assert config == RelayConfig(sampling=Sampling(seed=3))


def test_changes_win_and_find_their_place(tmp_path: Path) -> None:
    changes = {"large": "other", "temperature": 0.5, "context": 99, "stop": ("x",), "small": None, "seed": None}
    config = load(tmp_path, WHOLE).merged(changes)
    assert (config.large, config.small, config.stop) == ("other", "models/small", ("x",))
    assert config.sampling == Sampling(temperature=0.5, top_k=5, seed=7)
    assert config.engine == EngineSettings(context=99, threads=2)


def test_zero_is_a_change(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE).merged({"seed": 0, "thinking": False}).sampling.seed == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("larg = 'x'", "larg: there is no such setting"),
        ("[sampling]\ntemprature = 1", "sampling.temprature: there is no such setting"),
        ("[engine]\ncontxt = 1", "engine.contxt: there is no such setting"),
        ("max_tokens = 'many'", "max_tokens: "),
        ("max_tokens = 1.5", "max_tokens: "),
        ("[sampling]\ntemperature = 'hot'", "sampling.temperature: "),
        ("[sampling]\nseed = 1.5", "sampling.seed: "),
        ("stop = '###'", "stop: "),
        ("sampling = 3", "sampling: "),
        ("large = ", "is not valid TOML"),
        ("[sampling]\n[sampling]", "is not valid TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, content)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"The configuration {tmp_path / 'relay.toml'} is not valid")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["max_tokens = 0", "[sampling]\ntemperature = -1", "stop = ['']"])
def test_settings_out_of_range_are_found_before_a_model_is_loaded(tmp_path: Path, setting: str) -> None:
    with pytest.raises(UsageError):
        load(tmp_path, setting).open()


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.toml can't be read: No such file or directory\."):
        load_config(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="can't be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "relay.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not valid TOML"):
        load_config(tmp_path / "relay.toml")
