"""The trained network as an ONNX file, and what the small model's own file is needed for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from relaygen.errors import ModelError
from relaygen.routing.network import Network

OPSET, IR = 20, 10  # of ONNX 1.17, the first with Gelu and understood by every supported ONNX Runtime
Floats = NDArray[np.float32]


def embedding(file: Path, ids: str) -> Floats:
    """The token embeddings [vocabulary, size] of a model file whose input is called `ids`.

    Raises ModelError when they are not stored as a plain table.
    """
    graph = onnx.load(str(file)).graph
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Gather" and node.input[1] == ids and node.input[0] in tables:
            table: Floats = numpy_helper.to_array(tables[node.input[0]]).astype(np.float32)
            return table
    raise ModelError(
        f"{file} keeps its token embeddings in a form that can't be read; convert it with another precision."
    )


def save_network(network: Network, table: Floats, file: Path) -> None:
    """Writes the network. In: hidden float32 [n, size], token int64 [n], logits float32 [n, top]; out: chance [n].

    The first layer is linear in the embedding, so the file holds its product with the table instead of the table.
    """
    graph = _Graph()
    with torch.no_grad():
        (hidden, b0), (own, b1), (logits, b2) = (network.affine(i) for i in range(3))
        by_token = (own @ torch.from_numpy(table).T).T + (b0 + b1 + b2)
    x = graph.add("MatMul", "hidden", hidden.T)
    x = graph.add("Add", x, graph.add("MatMul", "logits", logits.T))
    half = graph.add("Gather", by_token.half(), "token")
    x = graph.add("Add", x, graph.add("Cast", half, to=TensorProto.FLOAT))
    for block in network.blocks:
        inner = graph.norm(x, block.norm)
        inner = graph.add("Gelu", graph.linear(inner, block.up))
        x = graph.add("Add", x, graph.linear(inner, block.down))
    x = graph.linear(graph.norm(x, network.norm), network.out)
    chance = graph.add("Sigmoid", graph.add("Squeeze", x, torch.tensor([1])))
    graph.save(file, hidden.shape[1], logits.shape[1], chance)


class _Graph:
    """An ONNX graph in the making. Tensors become initializers; every node has one output, whose name comes back."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._names: Iterator[str] = (f"t{i}" for i in range(1 << 20))

    def add(self, kind: str, *inputs: str | torch.Tensor, **attributes: object) -> str:
        names = [given if isinstance(given, str) else self._weight(given) for given in inputs]
        out = next(self._names)
        self._nodes.append(helper.make_node(kind, names, [out], **attributes))
        return out

    def linear(self, x: str, layer: torch.nn.Linear) -> str:
        return self.add("Gemm", x, layer.weight, layer.bias, transB=1)

    def norm(self, x: str, layer: torch.nn.LayerNorm) -> str:
        return self.add("LayerNormalization", x, layer.weight, layer.bias, axis=-1, epsilon=layer.eps)

    def save(self, file: Path, hidden: int, top: int, chance: str) -> None:
        inputs = (
            ("hidden", TensorProto.FLOAT, ["n", hidden]),
            ("token", TensorProto.INT64, ["n"]),
            ("logits", TensorProto.FLOAT, ["n", top]),
        )
        graph = helper.make_graph(
            self._nodes,
            "router",
            [helper.make_tensor_value_info(*given) for given in inputs],
            [helper.make_tensor_value_info(chance, TensorProto.FLOAT, ["n"])],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(model)
        onnx.save(model, str(file))

    def _weight(self, tensor: torch.Tensor) -> str:
        name = next(self._names)
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(tensor.detach().numpy()), name))
        return name
