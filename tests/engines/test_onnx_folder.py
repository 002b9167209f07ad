"""Folders and settings that can't be used are refused with one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from relaygen.engines import EngineSettings, create_engine, fingerprint
from relaygen.engines.onnx import OnnxEngine
from relaygen.errors import ModelError, UsageError

CONFIG = "genai_config.json"


@pytest.fixture
def folder(nano_small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(nano_small, tmp_path / "model"))


def change(folder: Path, path: str, value: Any) -> None:
    """Sets (or, with None, removes) one entry of the configuration."""
    config = json.loads((folder / CONFIG).read_text())
    *parents, last = path.split(".")
    section = config
    for name in parents:
        section = section[name]
    if value is None:
        del section[last]
    else:
        section[last] = value
    (folder / CONFIG).write_text(json.dumps(config))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        create_engine(str(folder))
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_good_folder_is_accepted(folder: Path) -> None:
    engine = create_engine(str(folder))
    assert engine.name == "model"
    assert engine.context == 4096
    assert engine.tokenizer.decode(engine.tokenizer.encode("So 2 + 2 = 4.")) == "So 2 + 2 = 4."


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere")


def test_a_folder_without_a_configuration(folder: Path) -> None:
    (folder / CONFIG).unlink()
    assert "relaygen convert" in refusal(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_broken_configuration(folder: Path, text: str) -> None:
    (folder / CONFIG).write_text(text, encoding="latin-1")
    assert CONFIG in refusal(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.decoder", None),
        ("model.decoder.head_size", None),
        ("model.decoder.head_size", "wide"),
        ("model.decoder.inputs.past_key_names", "past"),
        ("model.decoder.outputs", 3),
        ("search", None),
    ],
)
def test_a_configuration_that_lacks_something(folder: Path, path: str, value: object) -> None:
    change(folder, path, value)
    assert "lacks what a decoder needs" in refusal(folder)


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    assert "has no model.onnx" in refusal(folder)


def test_a_folder_without_a_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json" in refusal(folder)


def test_weights_that_are_not_a_model(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no model")
    assert "can't load" in refusal(folder)


def test_an_architecture_with_other_inputs(folder: Path) -> None:
    change(folder, "model.decoder.inputs.attention_mask", "padding_mask")
    message = refusal(folder)
    assert "not supported" in message
    assert "attention_mask, padding_mask" in message


@pytest.mark.parametrize(
    ("path", "value"),
    [("search.past_present_share_buffer", False), ("model.decoder.sliding_window", {"window_size": 8})],
)
def test_a_cache_that_can_not_be_rewound(folder: Path, path: str, value: object) -> None:
    change(folder, path, value)
    assert "can't be rewound" in refusal(folder)


@pytest.mark.parametrize("name", ["context", "sequences", "threads"])
def test_settings_out_of_range(folder: Path, name: str) -> None:
    setting: dict[str, Any] = {name: -1}
    with pytest.raises(UsageError, match=f"{name} must be at least"):
        OnnxEngine(folder, EngineSettings(**setting))


def test_the_context_is_at_most_the_models(folder: Path) -> None:
    assert OnnxEngine(folder, EngineSettings(context=100)).context == 100
    change(folder, "model.context_length", 512)
    assert OnnxEngine(folder).context == 512


@pytest.mark.parametrize("providers", [(), ("NoSuchProvider",)])
def test_providers_that_are_not_there(folder: Path, providers: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="CPUExecutionProvider"):
        OnnxEngine(folder, providers=providers)


def test_the_fingerprint_tells_weights_apart_and_ignores_names(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    original = fingerprint(OnnxEngine(folder))
    assert len(original) == 16
    assert fingerprint(OnnxEngine(copy, name="other")) == original
    data = bytearray((copy / "model.onnx.data").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100_000] = bytes(100_000)
    (copy / "model.onnx.data").write_bytes(data)
    assert fingerprint(OnnxEngine(copy)) != original


def test_a_chat_template_is_optional(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "chat_template"}))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    assert OnnxEngine(folder).template is None
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    template = OnnxEngine(folder).template
    assert template is not None
    assert template.render("Hello") == "Hello"
