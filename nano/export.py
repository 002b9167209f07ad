"""Puts a trained model into the package, as ONNX without what the runtime does not read.

    python nano/export.py work/large src/relaygen/nano/large --floats
    python nano/export.py work/small src/relaygen/nano/small --hidden-states

Either way the file holds 8-bit weights. With `--floats` they become floats when the model is loaded (pack.py), so that
a decode step waits for memory, as on a GPU; without, they are multiplied as integers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from pack import pack
from relaygen.convert import convert


def export(source: Path, out: Path, *, floats: bool = False, hidden_states: bool = False) -> None:
    """Converts `source` and replaces `out` with the result."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = convert(
            str(source), Path(scratch) / "model", "fp32" if floats else "int8", hidden_states=hidden_states
        )
        shutil.rmtree(out, ignore_errors=True)
        (pack if floats else shutil.copytree)(folder, out)
    size = sum(f.stat().st_size for f in out.iterdir())
    print(json.dumps({"folder": str(out), "megabytes": round(size / 1e6, 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--floats", action="store_true", help="compute in floats, for large")
    parser.add_argument("--hidden-states", action="store_true", help="for small, whose states the router reads")
    args = parser.parse_args()
    export(args.source, args.out, floats=args.floats, hidden_states=args.hidden_states)
