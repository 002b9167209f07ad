"""What the relay's own code costs: microseconds per token of every policy, and their share of the whole time.

    python benchmarks/overhead.py                  # the embedded pair, 20 problems, every policy
    python benchmarks/overhead.py --profile relaygen    # where the time goes, function by function

Every policy answers the problems with the real models, whose calls are recorded. Then the same generations run on
engines that play the calls back at no cost: what is left is policy, relay loop, conditions and books. That is measured
as processor time, so that a busy machine does not spoil it; the real run is wall time, and wants a quiet one.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from relaygen.engines import Engine, EngineSettings, Params, create_engine, fingerprint, wrap_engine
from relaygen.problems import NANO_TASKS, ProblemSet
from relaygen.relay import Options, Relay
from relaygen.types import Scored, Token, Trace
from relaygen.until import Matcher

POLICIES = (
    "large",
    "small",
    "answer-only",
    "random(share=0.57)",
    "relaygen",
    "guarded",
    "entropy-first",
    "speculative-thinking",
    "specreason",
    "specreason(judge=likelihood)",
    "large+speculative",
    "relaygen+speculative",
    "guarded+speculative",
)


class Recorder:
    """An engine that remembers what each call gave, and gives the same again, call by call, once it is `playing`."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.tokenizer = engine.name, engine.tokenizer
        self.template, self.context = engine.template, engine.context
        self.playing = False
        self.fingerprint = fingerprint(engine)
        self._engine = engine
        self._streams: deque[list[Token]] = deque()
        self._scores: deque[list[Scored]] = deque()

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        if self.playing:
            self._streams.rotate(-1)
            for token in self._streams[-1]:
                if until:
                    until.feed(token)
                yield token
            return
        given: list[Token] = []
        self._streams.append(given)
        async for token in self._engine.stream(prompt, params, until):
            given.append(token)
            yield token

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        if not self.playing:
            self._scores.append(await self._engine.score(tokens, start))
            return self._scores[-1]
        self._scores.rotate(-1)
        return self._scores[-1]

    async def warm(self, prompt: Sequence[int]) -> None:
        await self._engine.warm(prompt)

    async def aclose(self) -> None:
        await self._engine.aclose()


def main() -> None:
    args = arguments()
    load = os.getloadavg()[0]
    report = asyncio.run(run(args))
    print(json.dumps({"cores": os.cpu_count(), "load": load, "n": args.n, "policies": report}, indent=2))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", default="nano:large")
    parser.add_argument("--small", default="nano:small")
    parser.add_argument("-n", type=int, default=20, help="problems")
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=5, help="play each so often and take the quickest")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--profile", metavar="POLICY", help="print where this policy's own time goes, and nothing else")
    return parser.parse_args()


async def run(args: argparse.Namespace) -> dict[str, Any]:
    settings = EngineSettings()
    large, small = create_engine(args.large, settings), create_engine(args.small, settings)
    sets = [ProblemSet(task) for task in NANO_TASKS]
    questions = [sets[i % len(sets)][i // len(sets)].question for i in range(args.n)]
    report = {}
    for policy in [args.profile] if args.profile else args.policies:
        report[policy] = await measured(policy, large, small, questions, args)
    for engine in (large, small):
        await engine.aclose()
    return report


async def measured(policy: str, large: Engine, small: Engine, questions: list[str], args: Any) -> dict[str, Any]:
    name, _, wrapper = policy.partition("+")
    writes = wrap_engine(wrapper, large, small, {}) if wrapper else large
    pair = Recorder(writes), Recorder(small)
    relay = Relay(*pair, policy=name, profile="nano", options=Options(max_tokens=args.max_tokens))
    began = time.perf_counter()
    real = await answered(relay, questions)
    seconds = time.perf_counter() - began
    for engine in pair:
        engine.playing = True
    own = []
    for _ in range(args.repeat):
        began = time.process_time()
        played = await answered(relay, questions)
        own.append(time.process_time() - began)
    if args.profile:
        with cProfile.Profile(time.process_time) as profiler:
            await answered(relay, questions)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    assert [t.tokens for t in played] == [t.tokens for t in real], "the replay went another way"
    tokens = sum(trace.usage.completion_tokens for trace in real)
    return {
        "ms_per_token": round(seconds / tokens * 1e3, 4),
        "own_us_per_token": round(min(own) / tokens * 1e6, 1),
        "own_share": round(min(own) / seconds, 4),
        "tokens": tokens,
    }


async def answered(relay: Relay, questions: Sequence[str]) -> list[Trace]:
    return [
        await relay.agenerate(question, options=relay.with_sampling(seed=i)) for i, question in enumerate(questions)
    ]


if __name__ == "__main__":
    main()
