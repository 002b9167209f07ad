"""The tokenizer inside a GGUF file, in the form that the rest of the package reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relaygen.errors import MissingExtra, ModelError
from relaygen.tokenizer import Tokenizer

CONTROL, USER_DEFINED = 3, 4
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{REST}"
LLAMA3 = rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{REST}"
SPLITS = {"qwen2": QWEN2, "deepseek-r1-qwen": QWEN2, "llama-bpe": LLAMA3, "llama3": LLAMA3}
"""How a text is cut before its bytes are merged, by the names that GGUF files give it."""
ENDINGS = ("<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>")
"""llama.cpp ends a text at any of these, whatever the file says."""


def tokenizer_of(path: Path) -> Tokenizer:
    """Reads the vocabulary. Raises ModelError for a kind that is not known here, MissingExtra without `gguf`."""
    fields = _fields(path)
    kind, cut = fields.get("model"), fields.get("pre")
    if kind != "gpt2" or cut not in SPLITS:
        raise ModelError(
            f"The tokenizer in {path} is of the kind {cut or kind}, which can't be read from there: name the folder of "
            "its original model with --tokenizer, or put its tokenizer.json beside the file."
        )
    tokens: list[str] = fields["tokens"]
    ends = {tokens.index(text) for text in ENDINGS if text in tokens} | {fields.get("eos_token_id", -1)}
    return Tokenizer(json.dumps(_spec(fields, tokens, SPLITS[cut])), eos_ids=ends - {-1})


def _spec(fields: dict[str, Any], tokens: Sequence[str], split: str) -> dict[str, Any]:
    kinds: Sequence[int] = fields.get("token_type") or [1] * len(tokens)
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": id, "content": token, "special": kind == CONTROL, **plain}
        for id, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind in (CONTROL, USER_DEFINED)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    cut = {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if split == QWEN2 else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, byte_level]},
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in fields.get("merges") or []],
            "ignore_merges": split == LLAMA3,
        },
    }


def _fields(path: Path) -> dict[str, Any]:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingExtra("gguf", "gguf") from error
    try:
        reader = GGUFReader(path)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ModelError(f"{path} is not a GGUF file that can be read: {error}") from error
    prefix = "tokenizer.ggml."
    return {
        name.removeprefix(prefix): field.contents() for name, field in reader.fields.items() if name.startswith(prefix)
    }
