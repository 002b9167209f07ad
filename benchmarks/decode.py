"""What a decode step costs, what feeding several tokens costs, and how large and small get in each other's way.

    python benchmarks/decode.py                          # the embedded pair
    python benchmarks/decode.py --large A --small B --threads 0 1 2

Prints one JSON object. Times are medians in milliseconds unless they say otherwise; the fifth percentiles beside them
tell a busy machine from a slow one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np

from relaygen.engines import EngineSettings, Params
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.onnx.model import Model
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.sampling import Sampler
from relaygen.types import GREEDY, Sampling

CONTEXT = 600  # cached tokens in front of whatever is measured
WIDTHS = (2, 4, 8, 16, 30)
ROUNDS, STEPS = 10, 12
LARGE_SEGMENT, SMALL_SEGMENT = 8, 12  # tokens per segment when the models alternate
IDLE_SECONDS = 0.05


def main() -> None:
    args = arguments()
    report: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "onnxruntime": metadata.version("onnxruntime"),
        "load": os.getloadavg()[0],
        "context": CONTEXT,
        "runs": [run(args, threads) for threads in args.threads],
    }
    print(json.dumps(report, indent=2))


def arguments() -> argparse.Namespace:
    nano = Path(str(resources.files("relaygen"))) / "nano"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=Path, default=nano / "large")
    parser.add_argument("--small", type=Path, default=nano / "small")
    parser.add_argument("--threads", type=int, nargs="+", default=[0], help="0: what the engine chooses")
    return parser.parse_args()


def run(args: argparse.Namespace, threads: int) -> dict[str, Any]:
    settings = EngineSettings(threads=threads)
    models = {role: Model(getattr(args, role), settings, providers=None) for role in ("large", "small")}
    steps = {role: measure(model) for role, model in models.items()}
    large, small = steps["large"]["step"]["median"], steps["small"]["step"]["median"]
    return {
        "threads": threads,
        **steps,
        "small_step_over_large_step": round(small / large, 3),
        "relay": asyncio.run(relay(args, settings)),
    }


def measure(model: Model) -> dict[str, Any]:
    """One model on its own."""
    sequence, ids = filled(model)
    steps: list[float] = []
    widths: dict[int, list[float]] = {width: [] for width in WIDTHS}
    for _ in range(ROUNDS):  # interleaved, so that what else the machine does hits all alike
        steps += times(partial(fed, sequence, ids, 1), STEPS)
        for width, spent in widths.items():
            spent += times(partial(fed, sequence, ids, width), STEPS // 4)
    step = float(np.median(steps))
    return {
        "megabytes": round(model.layout.bytes / 2**20, 1),
        "threads": model.session.get_session_options().intra_op_num_threads,
        "step": summary(steps),
        "steps_per_feed": {width: round(float(np.median(spent)) / step, 2) for width, spent in widths.items()},
        "python_per_step_us": overhead(model, sequence, ids),
        "cpu_burnt_after_a_step_ms": idle(partial(fed, sequence, ids, 1)),
    }


def filled(model: Model) -> tuple[CachedSequence, list[int]]:
    sequence = CachedSequence(model)
    ids = np.random.default_rng(0).integers(0, model.vocabulary, CONTEXT).tolist()
    for start in range(0, CONTEXT, sequence.chunk):
        sequence.feed(ids[start : start + sequence.chunk])
    return sequence, ids


def fed(sequence: CachedSequence, ids: list[int], count: int) -> None:
    sequence.rewind(CONTEXT - count)
    sequence.feed(ids[-count:])


class Timed:
    """A session that knows how long its last run took."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.seconds = 0.0

    def run_with_iobinding(self, binding: Any) -> None:
        began = time.perf_counter()
        self._session.run_with_iobinding(binding)
        self.seconds = time.perf_counter() - began


def overhead(model: Model, sequence: CachedSequence, ids: list[int]) -> dict[str, float]:
    """Microseconds of a decode step that are spent outside the run of the session, and in the sampler."""
    session = sequence._session = Timed(model.session)
    around: list[float] = []
    for _ in range(ROUNDS * STEPS):
        around += [spent - session.seconds for spent in times(partial(fed, sequence, ids, 1), 1)]
    sequence._session = model.session
    logits = sequence.feed(ids[:1])[0]
    samplers = {"greedy": Sampler(GREEDY), "sampled": Sampler(Sampling())}
    spent = {"feed": around, **{name: times(partial(draw, logits, 7), 500) for name, draw in samplers.items()}}
    return {name: round(float(np.median(seconds)) * 1e6, 1) for name, seconds in spent.items()}


async def relay(args: argparse.Namespace, settings: EngineSettings) -> dict[str, Any]:
    """Both engines in turn, as a relay has them: each feeds what the other wrote and continues."""
    engines = {role: OnnxEngine(getattr(args, role), settings) for role in ("large", "small")}
    lengths = {"large": LARGE_SEGMENT, "small": SMALL_SEGMENT}
    spent: dict[str, list[float]] = {role: [] for role in engines}
    context = np.random.default_rng(0).integers(0, 256, CONTEXT).tolist()
    for engine in engines.values():
        await engine.warm(context)
    for _ in range(ROUNDS):
        for role, engine in engines.items():
            began = time.perf_counter()
            params = Params(max_tokens=lengths[role], offset=len(context))
            context += [token.id async for token in engine.stream(context, params)]
            spent[role].append(time.perf_counter() - began)
    for engine in engines.values():
        await engine.aclose()
    return {f"{role}_segment_of_{lengths[role]}": summary(seconds) for role, seconds in spent.items()}


def times(call: Callable[[], object], count: int) -> list[float]:
    spent = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return spent


def idle(step: Callable[[], None]) -> float:
    """Processor time that the process uses in the 50 ms after a step: threads that spin on."""
    burnt = []
    for _ in range(ROUNDS):
        step()
        began = time.process_time()
        time.sleep(IDLE_SECONDS)
        burnt.append(time.process_time() - began)
    return round(float(np.median(burnt)) * 1e3, 2)


def summary(seconds: list[float]) -> dict[str, float]:
    low, median = np.percentile(seconds, (5, 50)) * 1e3
    return {"median": round(float(median), 3), "fifth_percentile": round(float(low), 3)}


if __name__ == "__main__":
    main()
