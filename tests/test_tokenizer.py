"""Token ids and bytes: the pieces of a text are the text."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from relaygen.errors import ModelError, UsageError
from relaygen.tokenizer import Tokenizer

LINES = [
    "So, the total is 12+30=42.",
    "Wait, let me check that again.",
    "Therefore the answer is 42.\n\n",
    "naïve café 漢字",
]
SPECIALS = ["<|end|>", "<think>", "</think>"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"))


@cache
def byte_level(prefix: bool = False) -> str:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(LINES, trainer)
    return backend.to_str()


@cache
def metaspace(prepend: str = "never") -> str:
    """As sentencepiece checkpoints are written: blanks as marks, unknown characters as bytes."""
    backend = tokenizers.Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    specials = ["<unk>", *SPECIALS, *(f"<0x{b:02X}>" for b in range(256))]
    backend.train_from_iterator(
        LINES, trainers.BpeTrainer(vocab_size=360, special_tokens=specials, show_progress=False)
    )
    spec = json.loads(backend.to_str())
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    return json.dumps(spec)


KINDS: dict[str, Callable[[], str]] = {"byte-level": byte_level, "metaspace": metaspace}
ALL_KINDS = pytest.mark.parametrize("kind", KINDS)


@cache
def make(kind: str) -> Tokenizer:
    return Tokenizer(KINDS[kind]())


def changed(source: str, change: Callable[[dict[str, Any]], object]) -> Tokenizer:
    spec = json.loads(source)
    change(spec)
    return Tokenizer(json.dumps(spec))


def folder_with(folder: Path, **files: object) -> Path:
    (folder / "tokenizer.json").write_text(byte_level(), encoding="utf-8")
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


@ALL_KINDS
@given(text=TEXTS)
def test_pieces_of_a_text_join_to_its_bytes(kind: str, text: str) -> None:
    tokenizer = make(kind)
    ids = tokenizer.encode(text)
    assert b"".join(map(tokenizer.piece, ids)) == text.encode()
    assert tokenizer.decode(ids) == text


@ALL_KINDS
@given(data=st.data())
def test_streamed_tokens_decode_like_the_whole(kind: str, data: st.DataObject) -> None:
    tokenizer = make(kind)
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size + 5)))
    stream = tokenizer.stream()
    assert "".join(map(stream.feed, ids)) + stream.flush() == tokenizer.decode(ids)


@ALL_KINDS
@given(text=TEXTS)
def test_a_stream_never_gives_half_a_character(kind: str, text: str) -> None:
    tokenizer = make(kind)
    stream, seen = tokenizer.stream(), ""
    for id in tokenizer.encode(text):
        seen += stream.feed(id)
        assert text.startswith(seen)


@ALL_KINDS
@given(first=TEXTS, second=TEXTS)
def test_two_runs_of_tokens_decode_to_both_texts(kind: str, first: str, second: str) -> None:
    tokenizer = make(kind)
    assert tokenizer.decode(tokenizer.encode(first) + tokenizer.encode(second)) == first + second


def test_an_unfinished_character_is_shown_at_the_flush_only() -> None:
    tokenizer = make("byte-level")
    stream = tokenizer.stream()
    assert stream.feed(tokenizer.encode("😀")[0]) == ""
    assert stream.pending
    assert stream.flush() == "\N{REPLACEMENT CHARACTER}"
    assert stream.flush() == ""


@ALL_KINDS
def test_special_tokens_in_a_text_are_recognised_and_shown(kind: str) -> None:
    tokenizer = make(kind)
    ids = tokenizer.encode("<think>So</think>")
    assert ids[0] == tokenizer.id_of("<think>")
    assert ids[-1] == tokenizer.id_of("</think>")
    assert tokenizer.decode(ids) == "<think>So</think>"
    assert {ids[0], ids[-1]} <= tokenizer.special_ids


@ALL_KINDS
def test_an_unknown_special_token_has_no_id(kind: str) -> None:
    assert make(kind).id_of("<|nowhere|>") is None


def test_a_blank_has_no_id_under_its_internal_name() -> None:
    assert make("byte-level").id_of("Ġ") is None


def test_a_token_outside_the_byte_alphabet_is_text() -> None:
    def add_word(spec: dict[str, Any]) -> None:
        spec["model"]["vocab"]["漢字"] = len(spec["model"]["vocab"])

    tokenizer = changed(byte_level(), add_word)
    assert tokenizer.piece(tokenizer.vocab_size - 1) == "漢字".encode()


@ALL_KINDS
def test_ids_outside_the_vocabulary_are_empty(kind: str) -> None:
    tokenizer = make(kind)
    assert tokenizer.piece(-1) == tokenizer.piece(tokenizer.vocab_size) == b""


@pytest.mark.parametrize("source", [byte_level(True), metaspace("always"), metaspace("first")])
def test_no_blank_is_put_before_a_text(source: str) -> None:
    tokenizer = Tokenizer(source)
    assert tokenizer.decode(tokenizer.encode("answer")) == "answer"


def test_a_prepending_normalizer_is_left_out() -> None:
    def old_style(spec: dict[str, Any]) -> None:
        spec["pre_tokenizer"] = None
        prepend = {"type": "Prepend", "prepend": "▁"}
        replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        spec["normalizer"] = {"type": "Sequence", "normalizers": [prepend, replace]}

    tokenizer = changed(metaspace(), old_style)
    assert tokenizer.decode(tokenizer.encode("the answer")) == "the answer"


def test_normalisation_of_the_model_is_kept() -> None:
    backend = tokenizers.Tokenizer.from_str(byte_level())
    backend.normalizer = normalizers.NFC()
    tokenizer = Tokenizer(backend.to_str())
    assert tokenizer.decode(tokenizer.encode("e\N{COMBINING ACUTE ACCENT}")) == "\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_truncation_and_padding_of_the_file_are_ignored() -> None:
    backend = tokenizers.Tokenizer.from_str(byte_level())
    backend.enable_truncation(2)
    backend.enable_padding(length=8)
    assert Tokenizer(backend.to_str()).encode(LINES[0]) == make("byte-level").encode(LINES[0])


def test_runs_of_blanks_are_not_special() -> None:
    backend = tokenizers.Tokenizer.from_str(byte_level())
    backend.add_tokens(["        "])
    assert Tokenizer(backend.to_str()).special_ids == make("byte-level").special_ids


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UsageError, match="surrogates not allowed at character 2"):
        make("byte-level").encode("ab\ud800")


@ALL_KINDS
def test_a_resaved_file_has_the_same_fingerprint(kind: str) -> None:
    def shuffle(spec: dict[str, Any]) -> None:
        model, pairs = spec["model"], spec["model"]["merges"]
        model["merges"] = [" ".join(pair) for pair in pairs]
        model["vocab"] = dict(reversed(model["vocab"].items()))
        spec["model"] = dict(reversed(model.items()))
        spec["padding"] = tokenizers_padding()

    assert changed(KINDS[kind](), shuffle).fingerprint == make(kind).fingerprint


def tokenizers_padding() -> dict[str, Any]:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.enable_padding(length=4)
    padding: dict[str, Any] = json.loads(backend.to_str())["padding"]
    return padding


def drop_merge(spec: dict[str, Any]) -> None:
    spec["model"]["merges"].pop()


def swap_tokens(spec: dict[str, Any]) -> None:
    vocab = spec["model"]["vocab"]
    one, other = list(vocab)[-2:]
    vocab[one], vocab[other] = vocab[other], vocab[one]


def add_token(spec: dict[str, Any]) -> None:
    spec["added_tokens"].append(spec["added_tokens"][0] | {"id": len(spec["model"]["vocab"]), "content": "<tool>"})


def add_normalizer(spec: dict[str, Any]) -> None:
    spec["normalizer"] = {"type": "NFC"}


@ALL_KINDS
@pytest.mark.parametrize("change", [drop_merge, swap_tokens, add_token, add_normalizer])
def test_any_change_of_the_ids_changes_the_fingerprint(kind: str, change: Callable[[dict[str, Any]], None]) -> None:
    assert changed(KINDS[kind](), change).fingerprint != make(kind).fingerprint


def test_kinds_have_different_fingerprints() -> None:
    assert make("byte-level").fingerprint != make("metaspace").fingerprint


def test_unigram_scores_belong_to_the_fingerprint() -> None:
    def unigram(score: float) -> Tokenizer:
        backend = tokenizers.Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0), ("b", score)], 0, False))
        backend.decoder = decoders.Metaspace()
        return Tokenizer(backend.to_str())

    assert unigram(-1.0).fingerprint == unigram(-1.0).fingerprint != unigram(-2.0).fingerprint


def test_end_of_sequence_ids_are_collected_from_all_files(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path,
        generation_config={"eos_token_id": [3, 4]},
        config={"eos_token_id": None, "text_config": {"eos_token_id": 5}},
        genai_config={"model": {"eos_token_id": [6]}},
        tokenizer_config={"eos_token": {"content": "<|end|>"}},
    )
    assert Tokenizer.load(folder).eos_ids == {3, 4, 5, 6, make("byte-level").id_of("<|end|>")}


def test_a_folder_with_the_tokenizer_alone_has_no_end_of_sequence(tmp_path: Path) -> None:
    assert Tokenizer.load(folder_with(tmp_path)).eos_ids == frozenset()


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no tokenizer"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 3}', "not json"])
def test_a_broken_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="can't be"):
        Tokenizer.load(tmp_path)


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, generation_config=[1])
    with pytest.raises(ModelError, match=r"generation_config\.json should hold a JSON object"):
        Tokenizer.load(folder)
    (folder / "generation_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"generation_config\.json can't be read"):
        Tokenizer.load(folder)


def test_a_kind_that_cannot_spell_bytes_is_refused() -> None:
    backend = tokenizers.Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    with pytest.raises(ModelError, match="kind WordLevel"):
        Tokenizer(backend.to_str())
