"""Stores an fp32 ONNX model's matrices as 8-bit integers, in a graph that still computes in floats.

ONNX Runtime multiplies the integers by their scales once, when it loads the model, and sees plain matrices from there
on. So the file has a quarter of the size, while a decode step reads as many bytes as that of an unquantised model.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[np.float32]
BLOCK = 128  # values of a column that share a scale
INTEGERS, SCALES, FLOATS, BLOCKS, SHAPE = ".int8", ".scales", ".floats", ".blocks", ".shape"


def pack(folder: Path, out: Path) -> None:
    """Writes `out`, which the in-process engine loads, from a folder with an fp32 model."""
    model = onnx.load(str(folder / "model.onnx"))
    raw = {tensor.name: tensor for tensor in model.graph.initializer}
    matrices = {name for node in model.graph.node for name in node.input if _is_matrix(node, raw.get(name))}
    tensors = [tensor for tensor in model.graph.initializer if tensor.name not in matrices]
    nodes = list(model.graph.node)
    for name in sorted(matrices):
        stored, making = _packed(name, numpy_helper.to_array(raw[name]))
        tensors, nodes = tensors + stored, making + nodes
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    write(model, tensors, folder, out)


def write(model: onnx.ModelProto, tensors: list[onnx.TensorProto], folder: Path, out: Path) -> None:
    """Writes `model`, with these tensors only, to `out`, and beside it what stands beside the model in `folder`."""
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)
    shutil.copytree(folder, out, ignore=shutil.ignore_patterns("model.onnx*"), dirs_exist_ok=True)
    onnx.save_model(model, str(out / "model.onnx"), save_as_external_data=True, location="model.onnx.data")


def unpack(name: str, raw: dict[str, npt.NDArray[np.generic]]) -> Array:
    """The matrix `name` [rows, columns] of a packed model, as ONNX Runtime computes it."""
    blocks = raw[name + INTEGERS].astype(np.float32) * raw[name + SCALES].astype(np.float32)
    return blocks.reshape(-1, blocks.shape[-1])


def _is_matrix(node: onnx.NodeProto, tensor: onnx.TensorProto | None) -> bool:
    return tensor is not None and node.op_type == "MatMul" and tensor.dims[0] % BLOCK == 0


def _packed(name: str, matrix: Array) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """The tensors that `matrix` is stored as, and the nodes that make it of them."""
    blocks = matrix.reshape(-1, BLOCK, matrix.shape[1])
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    integers = np.round(blocks / np.where(scales, scales, 1)).astype(np.int8)
    tensors = {INTEGERS: integers, SCALES: scales.astype(np.float32), SHAPE: np.array(matrix.shape, np.int64)}
    nodes = [
        helper.make_node("Cast", [name + INTEGERS], [name + FLOATS], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [name + FLOATS, name + SCALES], [name + BLOCKS]),
        helper.make_node("Reshape", [name + BLOCKS, name + SHAPE], [name]),
    ]
    return [numpy_helper.from_array(value, name + suffix) for suffix, value in tensors.items()], nodes
