"""Writes a Qwen3 checkpoint in Hugging Face format as fp32 GGUF, for llama.cpp.

    python nano/write_gguf.py work/large-hf work/nano-large.gguf

llama.cpp's own converter refuses tokenizers that it has not seen before, though it can run them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARCHITECTURE = "qwen3"


def write_gguf(folder: Path, out: Path) -> Path:
    """The model in `folder` (config.json, model.safetensors, tokenizer.json) as fp32 GGUF."""
    import gguf

    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(out, ARCHITECTURE)
    _describe(writer, config)
    _vocabulary(writer, json.loads((folder / "tokenizer.json").read_text()), config)
    writer.add_chat_template((folder / "chat_template.jinja").read_text())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    for name, tensor in _tensors(folder / "model.safetensors").items():
        renamed = names.get_name(name, try_suffixes=(".weight",))
        assert renamed, name
        writer.add_tensor(renamed, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _describe(writer: Any, config: dict[str, Any]) -> None:
    writer.add_name("relay-nano")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_parameters", config)["rope_theta"])


def _vocabulary(writer: Any, tokenizer: dict[str, Any], config: dict[str, Any]) -> None:
    import gguf

    added = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    by_id = {id: token for token, id in tokenizer["model"]["vocab"].items()} | added
    size = config["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([by_id.get(id, f"[PAD{id}]") for id in range(size)])
    kinds = gguf.TokenType
    writer.add_token_types(
        [kinds.CONTROL if id in added else kinds.NORMAL if id in by_id else kinds.UNUSED for id in range(size)]
    )
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)


def _tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """A safetensors file: eight bytes of length, a JSON header, the data."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(content[start + begin : start + end], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        for begin, end in [entry["data_offsets"]]
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    write_gguf(args.folder, args.out)
