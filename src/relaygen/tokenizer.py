"""Text to token ids and back, exact to the byte.

Token ids are the truth and a token is a piece of bytes: `decode` joins pieces and nothing else, so the texts of two
runs of tokens always join to the text of both together. Knows nothing about models, prompts or chat templates.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from relaygen.errors import ModelError, UsageError
from relaygen.files import read_json

# A component of a tokenizer.json (normaliser, pre-tokeniser, decoder) is null, one object, or a sequence of them.
Json = Mapping[str, Any]
PARTS = ("normalizers", "pretokenizers", "decoders")
HEX_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Tokenizer:
    """A `tokenizers` tokenizer, byte-level or sentencepiece-like.

    No blank is ever put before a text (what sentencepiece calls the dummy prefix), because a hand-over continues in
    the middle of a text. Unicode normalisation, where a tokenizer has one, applies to `encode` as its model expects.
    """

    def __init__(self, source: str, eos_ids: Iterable[int] = ()) -> None:
        """From the text of a tokenizer.json. Raises ModelError when it is broken or of another kind."""
        try:
            spec = _without_prefix(json.loads(source))
            self._backend = tokenizers.Tokenizer.from_str(json.dumps(spec))
        except Exception as error:  # reason: the library raises bare Exception for whatever it dislikes
            raise ModelError(f"The tokenizer.json can't be read: {error}") from error
        self._backend.no_truncation()
        self._backend.no_padding()
        self._spell = _spelling(spec)
        self.eos_ids = frozenset(eos_ids)

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Reads `tokenizer.json` and, for the end-of-sequence ids, the configuration files that lie beside it.

        Raises ModelError when the folder has no tokenizer.json or a file is broken.
        """
        folder = Path(folder)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(f"{folder} has no tokenizer.json; a model folder in Hugging Face format is needed.")
        try:
            tokenizer = cls(path.read_text(encoding="utf-8"))
        except (ModelError, OSError, UnicodeDecodeError) as error:
            raise ModelError(f"The tokenizer in {folder} can't be used: {error}") from error
        tokenizer.eos_ids = frozenset(_eos_ids(folder, tokenizer))
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`. Adds no special tokens; recognises those that stand in the text.

        Raises UsageError for a text that is not Unicode (a lone surrogate).
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"The text is not valid Unicode: {error.reason} at character {error.start}.") from error
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the tokens, special ones included; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(self.piece, ids)).decode("utf-8", errors="replace")

    def piece(self, id: int) -> bytes:
        """The bytes of one token; b"" for an id outside the vocabulary (models pad theirs)."""
        return self._pieces[id] if 0 <= id < len(self._pieces) else b""

    def id_of(self, text: str) -> int | None:
        """The id of a special token such as `</think>`, or None when no single token spells `text`."""
        id = self._backend.token_to_id(text)
        return id if id is not None and self.piece(id) == text.encode() else None

    def stream(self) -> TextStream:
        """A fresh incremental decoder."""
        return TextStream(self)

    @property
    def vocab_size(self) -> int:
        """One more than the largest token id."""
        return len(self._pieces)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Tokens that are not written letter by letter: `<|im_end|>`, `</think>`, tool tags."""
        added = self._backend.get_added_tokens_decoder().items()
        # Some tokenizers add runs of blanks as tokens of their own; these are ordinary text.
        return frozenset(id for id, token in added if token.content.strip())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what decides which ids a text gets: equal fingerprints, interchangeable ids.

        Covers the id of every token, merges or scores, normaliser and pre-tokeniser; not the padding, the order of
        fields, or the chat template.
        """
        spec = json.loads(self._backend.to_str())
        model = spec["model"]
        essence = {
            "tokens": sorted((id, token) for token, id in self._backend.get_vocab().items()),
            "model": [model["type"], model.get("merges") or model["vocab"]],
            "normalizer": spec["normalizer"],
            "pre_tokenizer": spec["pre_tokenizer"],
        }
        return hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _pieces(self) -> list[bytes]:
        vocab = self._backend.get_vocab()
        pieces = [b""] * (max(vocab.values(), default=-1) + 1)
        for token, id in vocab.items():
            pieces[id] = self._spell(token)
        for id, added in self._backend.get_added_tokens_decoder().items():
            pieces[id] = added.content.encode()
        return pieces


class TextStream:
    """Decodes tokens as they come. What `feed` and `flush` return joins to `Tokenizer.decode` of all the tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._piece = tokenizer.piece
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, id: int) -> str:
        """The characters that this token completes; never half a character."""
        return self._decoder.decode(self._piece(id))

    @property
    def pending(self) -> bool:
        """Whether a character has begun and is not complete."""
        return bool(self._decoder.getstate()[0])

    def flush(self) -> str:
        """What is left when no more tokens come: U+FFFD for a character that stayed incomplete, else nothing."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text


def byte_alphabet() -> dict[str, int]:
    """GPT-2's table: the character that stands for each byte in byte-level vocabularies."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(0x100) if b not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


class _ByteLevel:
    """Spells tokens of byte-level BPE, where every byte is written as one printable character."""

    def __init__(self) -> None:
        self._bytes = byte_alphabet()

    def __call__(self, token: str) -> bytes:
        try:
            return bytes([self._bytes[c] for c in token])
        except KeyError:
            return token.encode()


class _Marked:
    """Spells sentencepiece-like tokens: a mark stands for the blank, `<0xNN>` for a byte."""

    def __init__(self, replacements: Mapping[str, str], byte_fallback: bool) -> None:
        self._replacements, self._byte_fallback = replacements, byte_fallback

    def __call__(self, token: str) -> bytes:
        if self._byte_fallback and (match := HEX_BYTE.fullmatch(token)):
            return bytes.fromhex(match[1])
        for mark, text in self._replacements.items():
            token = token.replace(mark, text)
        return token.encode()


def _spelling(spec: Json) -> _ByteLevel | _Marked:
    """How the tokens of this tokenizer spell bytes."""
    decoders = list(_parts(spec.get("decoder")))
    parts = [*decoders, *_parts(spec.get("pre_tokenizer"))]
    kinds = {part["type"] for part in parts}
    if "ByteLevel" in kinds:
        return _ByteLevel()
    marks = {part["replacement"]: " " for part in parts if part["type"] == "Metaspace"}
    replaced = (part for part in decoders if part["type"] == "Replace")
    replacements = marks | {p["pattern"]["String"]: p["content"] for p in replaced if "String" in p["pattern"]}
    if not replacements:
        kind = spec["model"].get("type", "unknown")
        raise ModelError(f"Tokenizers of the kind {kind} without byte-level or metaspace decoding are not supported.")
    return _Marked(replacements, "ByteFallback" in kinds or bool(spec["model"].get("byte_fallback")))


def _parts(component: Json | None) -> Iterator[Json]:
    """The parts of a component, sequences unfolded."""
    if component is None:
        return
    if component["type"] != "Sequence":
        yield component
    for key in PARTS:
        for part in component.get(key, ()):
            yield from _parts(part)


def _without_prefix(spec: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer.json, changed so that no blank is put before a text."""
    return spec | {key: _plain(spec.get(key)) for key in ("normalizer", "pre_tokenizer")}


def _plain(component: Json | None) -> dict[str, Any] | None:
    if component is None or component["type"] == "Prepend":
        return None
    plain = dict(component)
    for key in PARTS:
        if key in plain:
            plain[key] = [part for part in map(_plain, plain[key]) if part is not None]
    if plain["type"] == "Metaspace":
        plain.pop("add_prefix_space", None)
        plain["prepend_scheme"] = "never"
    elif plain["type"] == "ByteLevel":
        plain["add_prefix_space"] = False
    return plain


def _eos_ids(folder: Path, tokenizer: Tokenizer) -> Iterator[int]:
    """End-of-sequence ids from every file that states them: checkpoints often disagree, and each of them is meant."""
    for name in ("generation_config.json", "config.json", "genai_config.json"):
        config = read_json(folder / name)
        for section in (config, config.get("text_config"), config.get("model")):
            ids = section.get("eos_token_id") if isinstance(section, dict) else None
            yield from (id for id in (ids if isinstance(ids, list) else [ids]) if isinstance(id, int))
    token = read_json(folder / "tokenizer_config.json").get("eos_token")
    text = token.get("content") if isinstance(token, dict) else token
    if isinstance(text, str) and (id := tokenizer.id_of(text)) is not None:
        yield id
