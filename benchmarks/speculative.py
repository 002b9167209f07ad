"""What drafting brings: milliseconds per token of large, of small, and of large drafted for, with the acceptance.

    python benchmarks/speculative.py                       # the embedded pair, 20 problems
    python benchmarks/speculative.py -n 200 --exact        # counts the problems whose greedy text is large's own

Prints one JSON object. All runs write the answers of the same problems, problem by problem, so that what else the
machine does hits all alike; times are of whole generations, prompts included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from relaygen.engines import Engine, EngineSettings, Params, wrap_engine
from relaygen.engines.base import Tally
from relaygen.engines.onnx import OnnxEngine
from relaygen.problems import NANO_TASKS, ProblemSet
from relaygen.types import Sampling

WRAPPINGS: dict[str, dict[str, Any]] = {
    "k=1": {"k": 1, "adaptive": False},
    "k=2": {"k": 2, "adaptive": False},
    "k=4": {"k": 4, "adaptive": False},
    "k=8": {"k": 8, "adaptive": False},
    "k=8 adaptive": {"k": 8},
    "k=12 adaptive": {"k": 12},
    "ngram k=8 adaptive": {"k": 8, "draft": "ngram"},
}


@dataclass(slots=True)
class Sum:
    """What one engine did on all problems."""

    seconds: float = 0.0
    tokens: int = 0
    same: int = 0
    tally: Tally = field(default_factory=Tally)

    def report(self, large: Sum) -> dict[str, Any]:
        per_token, tally = self.seconds / max(self.tokens, 1), self.tally
        found = {
            "ms_per_token": round(per_token * 1e3, 4),
            "speedup": round(large.seconds / large.tokens / per_token, 3),
            "tokens": self.tokens,
            "same_as_large": self.same,
        }
        if tally.passes:
            found |= asdict(tally) | {
                "acceptance": round(tally.accepted / max(tally.drafted, 1), 4),
                "tokens_per_pass": round(self.tokens / tally.passes, 3),
            }
        return found


def main() -> None:
    args = arguments()
    report = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "onnxruntime": metadata.version("onnxruntime"),
        "load": os.getloadavg()[0],
        "arguments": {name: str(value) for name, value in vars(args).items()},
        "runs": {f"temperature {t}": asyncio.run(run(args, t)) for t in args.temperatures},
    }
    print(json.dumps(report, indent=2))


def arguments() -> argparse.Namespace:
    nano = Path(str(resources.files("relaygen"))) / "nano"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=Path, default=nano / "large")
    parser.add_argument("--small", type=Path, default=nano / "small")
    parser.add_argument("-n", type=int, default=20, help="problems")
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 0.6])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--exact", action="store_true", help="engines that feed at least two tokens at once")
    parser.add_argument("--only", nargs="+", default=list(WRAPPINGS), help="some of " + ", ".join(WRAPPINGS))
    return parser.parse_args()


async def run(args: argparse.Namespace, temperature: float) -> dict[str, Any]:
    settings = EngineSettings(threads=args.threads, exact=args.exact)
    large, small = (OnnxEngine(folder, settings) for folder in (args.large, args.small))
    engines: dict[str, Engine] = {"large": large, "small": small}
    engines |= {name: wrap_engine("speculative", large, small, WRAPPINGS[name]) for name in args.only}
    sums = {name: Sum() for name in engines}
    sets = [ProblemSet(task) for task in NANO_TASKS]
    for i in range(args.n):
        prompt = rendered(large, sets[i % len(sets)][i // len(sets)].question)
        texts = {}
        names = list(engines)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            texts[name] = await generate(engines[name], prompt, temperature, i, args.max_tokens, sums[name])
        for name, text in texts.items():
            sums[name].same += text == texts["large"]
    for engine in (large, small):
        await engine.aclose()
    return {name: found.report(sums["large"]) for name, found in sums.items()}


def rendered(engine: Engine, question: str) -> list[int]:
    assert engine.template, "the large model needs a chat template"
    return engine.tokenizer.encode(engine.template.render([{"role": "user", "content": question}], thinking=True))


async def generate(
    engine: Engine, prompt: list[int], temperature: float, seed: int, max_tokens: int, total: Sum
) -> list[int]:
    sampling = Sampling(temperature=temperature, seed=seed)
    eos = engine.tokenizer.eos_ids
    params = Params(max_tokens=max_tokens, sampling=sampling, eos=eos, tally=total.tally)
    began = time.perf_counter()
    ids = [token.id async for token in engine.stream(prompt, params)]
    total.seconds += time.perf_counter() - began
    total.tokens += len(ids)
    return ids


if __name__ == "__main__":
    main()
