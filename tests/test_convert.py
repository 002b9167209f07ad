"""Converting, with a stand-in for the model builder; and once for real."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relaygen import convert as module
from relaygen.convert import convert
from relaygen.engines import EngineSettings, Params, create_engine
from relaygen.engines.onnx.model import Model
from relaygen.errors import MissingExtra, ModelError

BUILDER = """
import json, os, pathlib, shutil, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("chatter")
print("more chatter", file=sys.stderr)
if os.environ["BUILDER_FAILS"]:
    raise NotImplementedError("The model is not currently supported.")
shutil.copytree(os.environ["BUILDER_GIVES"], given["-o"])
pathlib.Path(given["-o"], "tokenizer_config.json").write_text("{}")
said = {"argv": sys.argv, "offline": os.environ.get("HF_HUB_OFFLINE")}
pathlib.Path(given["-o"], "given.json").write_text(json.dumps(given | said))
"""


@pytest.fixture
def builder(tmp_path: Path, nano_small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies the small model instead of building one."""
    (tmp_path / "builder").mkdir()
    (tmp_path / "builder" / "stand_in_builder.py").write_text(BUILDER)
    monkeypatch.setattr(module, "BUILDER", "stand_in_builder")
    monkeypatch.setattr(module, "NEEDED", {})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "builder"))
    monkeypatch.setenv("BUILDER_GIVES", str(nano_small))
    monkeypatch.setenv("BUILDER_FAILS", "")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Looks like a model in Hugging Face format."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text('{"original": true}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.mark.usefixtures("builder")
def test_a_folder_becomes_a_model_with_the_original_tokenizer_files(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert convert(str(source), out, "int4") == out
    given = json.loads((out / "given.json").read_text())
    assert (given["-i"], given["-p"], given["-e"], given["offline"]) == (str(source), "int4", "cpu", "1")
    assert json.loads((out / "tokenizer_config.json").read_text()) == {"original": True}
    assert (out / "chat_template.jinja").read_text() == "{{ messages }}"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.usefixtures("builder")
@pytest.mark.parametrize("asked", [True, False])
def test_hidden_states_are_asked_for(source: Path, tmp_path: Path, asked: bool) -> None:
    out = convert(str(source), tmp_path / "out", hidden_states=asked)
    given = json.loads((out / "given.json").read_text())
    assert ("include_hidden_states=true" in given["argv"]) == asked


@pytest.mark.usefixtures("builder")
def test_a_hub_id_is_passed_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    given = json.loads((convert("Qwen/Qwen3-0.6B", out) / "given.json").read_text())
    assert (given["-m"], given["-p"], given["offline"]) == ("Qwen/Qwen3-0.6B", "int8", None)


@pytest.mark.usefixtures("builder")
@pytest.mark.parametrize("name", ["source", "org/name"])
def test_a_failure_names_the_reason_and_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("BUILDER_FAILS", "1")
    with pytest.raises(ModelError, match="not currently supported") as caught:
        convert(str(source) if name == "source" else name, tmp_path / "out")
    assert ("There is no folder" in str(caught.value)) == (name != "source")
    assert "chatter" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["builder", "source"]


@pytest.mark.usefixtures("builder")
def test_a_result_that_the_engine_can_not_run_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDER_GIVES", str(source))
    with pytest.raises(ModelError, match="was converted, but"):
        convert(str(source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("builder")
def test_what_is_there_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an empty folder"):
        convert(str(source), source)
    with pytest.raises(ModelError, match="not an empty folder"):
        convert(str(source), source / "config.json")


@pytest.mark.usefixtures("builder")
@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "no model"])
def test_a_folder_that_does_not_exist(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        convert(name, tmp_path / "out")


@pytest.mark.usefixtures("builder")
def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        convert(str(tmp_path), tmp_path / "out")


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEEDED", {"no_such_module": "onnxruntime-genai"})
    with pytest.raises(MissingExtra, match=r"relaygen\[convert\]"):
        convert("anything", tmp_path / "out")


TINY_MODEL = """
import sys, torch
from transformers import Qwen3Config, Qwen3ForCausalLM
torch.manual_seed(0)
config = Qwen3Config(
    vocab_size=int(sys.argv[2]), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=32, max_position_embeddings=256, tie_word_embeddings=True,
)
Qwen3ForCausalLM(config).save_pretrained(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "int4", "fp32"])
def test_a_real_conversion_runs(nano_small: Path, tmp_path: Path, precision: module.Precision) -> None:
    for package in module.NEEDED:
        pytest.importorskip(package)
    source = tmp_path / "source"
    tokenizer = create_engine(str(nano_small)).tokenizer
    command = [sys.executable, "-c", TINY_MODEL, str(source), str(tokenizer.vocab_size)]
    subprocess.run(command, env=os.environ, check=True, capture_output=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (source / name).write_bytes((nano_small / name).read_bytes())

    folder = convert(str(source), tmp_path / "out", precision, hidden_states=True)
    engine = create_engine(str(folder))

    async def written() -> int:
        return len([token async for token in engine.stream([5, 6, 7], Params(max_tokens=4))])

    assert engine.tokenizer.fingerprint == tokenizer.fingerprint
    assert asyncio.run(written()) == 4
    assert Model(folder, EngineSettings(), providers=None).hidden_size == 64
