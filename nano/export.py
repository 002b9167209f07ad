"""Puts a trained model into the package: Hugging Face folder to int8 ONNX, without what the runtime does not read.

python nano/export.py work/large src/relaygen/nano/large
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from relaygen.convert import convert


def export(source: Path, out: Path, *, hidden_states: bool = False) -> None:
    """Converts `source` and replaces `out` with the result."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = convert(str(source), Path(scratch) / "model", "int8", hidden_states=hidden_states)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder, out)
    size = sum(f.stat().st_size for f in out.iterdir())
    print(json.dumps({"folder": str(out), "megabytes": round(size / 1e6, 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hidden-states", action="store_true", help="for small, whose states the router reads")
    args = parser.parse_args()
    export(args.source, args.out, hidden_states=args.hidden_states)
