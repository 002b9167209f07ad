"""Packing a model for the package: stored in 8 bits, computed in floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: make test-servers does it")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from pack import BLOCK, INTEGERS, pack, unpack  # noqa: E402

ROWS, COLUMNS = 2 * BLOCK, 24


@pytest.fixture
def packed(tmp_path: Path, matrix: np.ndarray) -> Path:
    """One matrix, once as such and once transposed, as a tied embedding has it."""
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("MatMul", ["y", "t"], ["z"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", ROWS]) for name in ("x", "z")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(matrix, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "floats").mkdir()
    (tmp_path / "floats" / "tokenizer.json").write_text("{}")
    onnx.save_model(model, str(tmp_path / "floats" / "model.onnx"))
    pack(tmp_path / "floats", tmp_path / "packed")
    return tmp_path / "packed"


@pytest.fixture
def matrix() -> np.ndarray:
    matrix = np.random.default_rng(0).standard_normal((ROWS, COLUMNS), np.float32)
    matrix[:BLOCK, 3] = 0  # a block that has no scale
    return matrix


def stored(folder: Path) -> dict[str, np.ndarray]:
    model = onnx.load(str(folder / "model.onnx"))
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_a_matrix_is_stored_in_8_bits(packed: Path) -> None:
    raw = stored(packed)
    assert raw["w" + INTEGERS].dtype == np.int8
    assert "w" not in raw
    assert (packed / "tokenizer.json").is_file()


def test_no_weight_moves_by_more_than_half_a_step(packed: Path, matrix: np.ndarray) -> None:
    step = np.abs(matrix.reshape(2, BLOCK, COLUMNS)).max(axis=1, keepdims=True) / 127
    moved = np.abs(unpack("w", stored(packed)) - matrix).reshape(2, BLOCK, COLUMNS)
    assert (moved <= step * 0.501).all()


def test_the_runtime_computes_with_the_unpacked_matrix(packed: Path) -> None:
    weights = unpack("w", stored(packed))
    x = np.random.default_rng(1).standard_normal((3, ROWS), np.float32)
    session = ort.InferenceSession(str(packed / "model.onnx"), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], x @ weights @ weights.T, rtol=1e-4, atol=1e-3)
