"""Which engine a reference leads to, and what relay.toml says about servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from relaygen import engines
from relaygen.config import load_config
from relaygen.engines import EngineSettings, ServerSettings, create_engine
from relaygen.engines.openai import gguf_tokenizer
from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import MissingExtra, ModelError, UsageError
from relaygen.tokenizer import byte_alphabet


def config_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text(text)
    return path


def test_replicas_may_be_a_list(tmp_path: Path) -> None:
    config = load_config(config_of(tmp_path, 'large = ["http://a:1", "http://b:1"]\nsmall = "http://c:1"'))
    assert (config.large, config.small) == ("http://a:1,http://b:1", "http://c:1")


def test_each_model_has_its_server_settings(tmp_path: Path) -> None:
    text = '[large_server]\ntokenizer = "qwen"\nheaders = { X-A = "$A" }\n[small_server]\nattempts = 1\n'
    config = load_config(config_of(tmp_path, text))
    assert config.large_server == ServerSettings(tokenizer="qwen", headers={"X-A": "$A"})
    assert config.small_server.attempts == 1


def test_a_misspelt_server_setting_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"large_server\.tokeniser"):
        load_config(config_of(tmp_path, '[large_server]\ntokeniser = "qwen"\n'))


def test_a_tokenizer_flag_is_that_of_both_servers(tmp_path: Path) -> None:
    config = load_config(config_of(tmp_path, "[small_server]\nattempts = 1\n")).merged({"tokenizer": "qwen"})
    assert (config.large_server.tokenizer, config.small_server.tokenizer) == ("qwen", "qwen")
    assert config.small_server.attempts == 1


def test_fallbacks_are_options(tmp_path: Path) -> None:
    options = load_config(config_of(tmp_path, 'on_small_failure = "large"')).options
    assert (options.on_small_failure, options.on_large_failure) == ("large", "error")


def test_addresses_lead_to_servers_with_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def remember(rest: str, own: EngineSettings, server: ServerSettings) -> ScriptedEngine:
        asked.append((rest, server.attempts))
        return ScriptedEngine([])

    monkeypatch.setitem(engines._FACTORIES, "https", remember)
    create_engine("https://gate/v1", server=ServerSettings(attempts=7))
    assert asked == [("//gate/v1", 7)]


def test_no_server_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="No server answers"):
        create_engine("http://127.0.0.1:9")


def test_a_missing_gguf_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        create_engine(str(tmp_path / "none.gguf"))


@pytest.mark.parametrize(("package", "beside"), [("xllamacpp", True), ("gguf", False)])
def test_gguf_files_need_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, beside: bool) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    if beside:
        (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(MissingExtra, match=r"relaygen\[gguf\]"):
        create_engine(str(model))


def fields(**changes: Any) -> dict[str, Any]:
    """A vocabulary as GGUF files hold it."""
    tokens = [*byte_alphabet(), "ab", "<think>", "</think>", "<|im_end|>"]
    kinds = [1] * 257 + [4, 4, 3]
    known = {"model": "gpt2", "pre": "qwen2", "tokens": tokens, "token_type": kinds, "merges": ["a b"]}
    return known | {"eos_token_id": 259} | changes


def test_the_tokenizer_in_a_gguf_file_keeps_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_tokenizer, "_fields", lambda path: fields())
    tokenizer = gguf_tokenizer.tokenizer_of(Path("m.gguf"))
    ids = tokenizer.encode("abc</think>é<|im_end|>")
    assert (ids[0], ids[2], ids[-1]) == (256, 258, 259)
    assert tokenizer.decode(ids) == "abc</think>é<|im_end|>"
    assert tokenizer.eos_ids == {259}


def test_other_tokenizers_in_gguf_files_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_tokenizer, "_fields", lambda path: fields(model="llama", pre="default"))
    with pytest.raises(ModelError, match="--tokenizer"):
        gguf_tokenizer.tokenizer_of(Path("m.gguf"))
