"""Does it pay that the model that does not write reads along? The same generations, warm and cold in turn.

    python benchmarks/standby.py                                  # the embedded pair
    python benchmarks/standby.py --config relay.toml --n 100      # any other, also behind servers

Prints one JSON object: seconds with and without, their ratio with a 95 % interval (over problems), whether all tokens
were the same, and the load of the machine, without which none of it means anything. Local caches are emptied before
each generation; servers get each problem with a different beginning in each of the two runs.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import reasoning_gym

from relaygen.config import load_config
from relaygen.engines.onnx import OnnxEngine
from relaygen.relay import Relay, standby
from relaygen.stats import ratio_bootstrap
from relaygen.types import Trace

SEED = 991  # of problems that neither training nor evaluation use


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--task", default="chain_sum")
    parser.add_argument("--n", type=int, default=40)
    parser.add_argument("--stride", type=int, default=standby.STRIDE, help="for engines without an opinion")
    parser.add_argument("--max-tokens", type=int, default=1000)
    args = parser.parse_args()
    standby.STRIDE = args.stride
    problems = reasoning_gym.create_dataset(args.task, size=args.n, seed=SEED)
    with load_config(args.config).open() as relay:
        relay.generate("Warming up.")
        pairs = [pair(relay, problem["question"], i, args.max_tokens) for i, problem in enumerate(problems)]
    print(json.dumps(report(args, relay, pairs), indent=2))


def pair(relay: Relay, question: str, i: int, most: int) -> dict[str, Trace]:
    """One problem both ways; which goes first alternates."""
    found = {}
    for mode in ("cold", "warm")[:: 1 if i % 2 else -1]:
        sampling = replace(relay.options.sampling, seed=i)
        options = replace(relay.options, standby=mode, sampling=sampling, max_tokens=most)
        local = [engine for engine in relay.engines.values() if isinstance(engine, OnnxEngine)]
        for engine in local:
            engine._pool.close()
        system = [] if len(local) == 2 else [{"role": "system", "content": f"This is run {mode} {i}."}]
        found[mode] = relay.generate([*system, {"role": "user", "content": question}], options=options)
    return found


def report(args: argparse.Namespace, relay: Relay, pairs: list[dict[str, Trace]]) -> dict[str, Any]:
    seconds = {mode: [pair[mode].seconds for pair in pairs] for mode in ("warm", "cold")}
    ratio = ratio_bootstrap(seconds["warm"], seconds["cold"], range(len(pairs)))
    return {
        "models": [engine.name for engine in relay.engines.values()],
        "task": args.task,
        "n": len(pairs),
        "stride": args.stride,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "tokens": sum(len(pair["cold"].tokens) for pair in pairs),
        "switches": sum(pair["cold"].switches for pair in pairs),
        "same_tokens": sum(pair["cold"].tokens == pair["warm"].tokens for pair in pairs),
        "seconds": {mode: round(sum(values), 2) for mode, values in seconds.items()},
        "warm/cold": ratio,
    }


if __name__ == "__main__":
    main()
