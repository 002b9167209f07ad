"""Writes a shipped relay-nano model as a Hugging Face folder, for engines that read those (vLLM, SGLang, GGUF tools).

    python nano/restore.py src/relaygen/nano/large work/large-hf

The repository holds the pair once, as ONNX with 8-bit weights. They lie on a grid (32 or 128 values share a scale), so
writing them out as floats loses nothing: the folder is the same model.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

from pack import INTEGERS, Array, unpack

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
NORMS = {
    "input_layernorm": "input_layernorm",
    "post_attention_layernorm": "post_attention_layernorm",
    "attn.q_norm.layernorm": "self_attn.q_norm",
    "attn.k_norm.layernorm": "self_attn.k_norm",
}


def weights(model: onnx.ModelProto, decoder: dict[str, int]) -> dict[str, Array]:
    """The tensors of a Qwen3 checkpoint by their Hugging Face names."""
    raw = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    out: dict[str, Array] = {}
    for name, value in raw.items():
        for ours, theirs in NORMS.items():
            if name.endswith(f"{ours}.weight"):
                out[name.replace(f"{ours}.weight", f"{theirs}.weight")] = value
    last = decoder["num_hidden_layers"]
    out["model.norm.weight"] = raw[f"model.layers.{last}.final_norm_layernorm.weight"]
    for name, matrix in matrices(model, raw).items():
        out |= _linear(name, matrix, decoder)
    # An embedding of its own is there when the head's matrix was quantised and the embedding was not.
    out[EMBEDDING] = raw[EMBEDDING] if EMBEDDING in raw else out.pop(HEAD)
    return out


def matrices(model: onnx.ModelProto, raw: dict[str, npt.NDArray[np.generic]]) -> dict[str, Array]:
    """The matrices [outputs, inputs] of all linear layers, by the layer's name in the graph."""
    found = {}
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            found[node.input[1].removesuffix(".MatMul.weight_Q8")] = dequantize(node, raw)
        elif node.op_type == "MatMul" and node.input[1] + INTEGERS in raw:
            name = node.input[1].removesuffix(".MatMul.weight")
            found[name] = np.ascontiguousarray(unpack(node.input[1], raw).T)
    return found


def _linear(name: str, matrix: Array, decoder: dict[str, int]) -> dict[str, Array]:
    if name == "lm_head":
        return {HEAD: matrix}
    prefix, _, last = name.rpartition(".")
    prefix = prefix.replace(".attn", ".self_attn")
    if last != "qkv_proj":
        return {f"{prefix}.{last}.weight": matrix}
    head = decoder["head_size"]
    q, k = decoder["num_attention_heads"] * head, decoder["num_key_value_heads"] * head
    parts = np.split(matrix, [q, q + k])
    return {f"{prefix}.{n}_proj.weight": np.ascontiguousarray(p) for n, p in zip("qkv", parts, strict=True)}


def dequantize(node: onnx.NodeProto, raw: dict[str, npt.NDArray[np.generic]]) -> Array:
    """A weight matrix [rows, columns] from its bytes [rows, blocks, block size] and scales [rows x blocks]."""
    sizes = {a.name: a.i for a in node.attribute}
    rows, columns = sizes["N"], sizes["K"]
    quantized = raw[node.input[1]].reshape(rows, -1, sizes["block_size"]).astype(np.float32)
    scales = raw[node.input[2]].reshape(rows, -1, 1).astype(np.float32)
    zero = 128.0  # symmetric quantisation stores the middle of the byte as zero
    return ((quantized - zero) * scales).reshape(rows, -1)[:, :columns].astype(np.float32)


def hf_config(genai: dict[str, Any], tensors: dict[str, Array]) -> dict[str, object]:
    """A Qwen3 config.json from the ONNX folder's own description of the model."""
    decoder = genai["decoder"]
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": genai["vocab_size"],
        "hidden_size": decoder["hidden_size"],
        "intermediate_size": len(tensors["model.layers.0.mlp.gate_proj.weight"]),
        "num_hidden_layers": decoder["num_hidden_layers"],
        "num_attention_heads": decoder["num_attention_heads"],
        "num_key_value_heads": decoder["num_key_value_heads"],
        "head_dim": decoder["head_size"],
        "max_position_embeddings": genai["context_length"],
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": HEAD not in tensors,
        "bos_token_id": None,
        "eos_token_id": genai["eos_token_id"],
        "pad_token_id": genai["pad_token_id"],
        "dtype": "float32",
    }


def restore(folder: Path, out: Path) -> None:
    """Writes `out` from a folder of the package."""
    genai = json.loads((folder / "genai_config.json").read_text())["model"]
    tensors = weights(onnx.load(str(folder / "model.onnx")), genai["decoder"])
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(hf_config(genai, tensors), indent=2) + "\n")
    for name in TOKENIZER_FILES:
        if (folder / name).exists():
            shutil.copy(folder / name, out / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    restore(args.folder, args.out)
