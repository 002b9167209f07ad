"""Writes a shipped relay-nano model as fp32 ONNX: the very weights that restore.py writes, and fp32 arithmetic.

    python nano/unquantize.py src/relaygen/nano/large work/large-fp32

Of the shipped pair, small rounds activations to int8 too, so it is no measure for servers that compute in floats; this
one is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pack import write
from restore import dequantize


def unquantize(folder: Path, out: Path) -> None:
    """Writes `out`, which the in-process engine loads, from a folder of the package."""
    model = onnx.load(str(folder / "model.onnx"))
    raw = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    used: set[str] = set()
    for i, node in enumerate(model.graph.node):
        if node.op_type == "MatMulNBits":
            matrix = numpy_helper.from_array(np.ascontiguousarray(dequantize(node, raw).T), f"{node.name}.weight")
            used.update(node.input[1:])
            model.graph.initializer.append(matrix)
            model.graph.node[i].CopyFrom(
                helper.make_node("MatMul", [node.input[0], matrix.name], list(node.output), node.name)
            )
    write(model, [tensor for tensor in model.graph.initializer if tensor.name not in used], folder, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    unquantize(args.folder, args.out)
