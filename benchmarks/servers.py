"""What relaying costs beside two vLLM servers, and what a plain client costs on the same ones.

    VLLM_MAX_STOP_STRINGS=32 python nano/servers.py vllm "$(scripts/vllm-environment)"      # prints what follows
    python benchmarks/servers.py --large URL --small URL --tokenizer FOLDER -n 40

Ours and the plain client (benchmarks/plain_client.py) write the same problems with the same cues, greedily, in turns,
each with an empty prefix cache where the servers allow it. (vLLM takes four stop texts; the plain client needs one for
each cue, hence the variable.) Prints one JSON object. The servers' own time is what they
report: from a request's arrival to its first token, and from token to token.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
import urllib.request
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from importlib import metadata
from itertools import pairwise
from typing import Any, Literal
from urllib.error import HTTPError

from plain_client import PlainClient

from relaygen.engines import ServerSettings
from relaygen.engines.base import Params
from relaygen.engines.openai import ServerEngine
from relaygen.problems import NANO_TASKS, ProblemSet
from relaygen.profile import load_profile
from relaygen.relay import Options, Relay
from relaygen.stats import ratio_bootstrap
from relaygen.types import GREEDY, SMALL, Token, Trace
from relaygen.until import Matcher

FIRST, NEXT = "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds"
BUDGET = 512
NO_LIMIT = 1 << 20  # tokens of a small segment: the plain client has none


class Timed(ServerEngine):
    """Notes when the first and the last token of each call came."""

    def __init__(self, url: str, settings: ServerSettings) -> None:
        super().__init__(url, settings)
        self.calls: list[tuple[float, float]] = []

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        first = last = 0.0
        async with aclosing(super().stream(prompt, params, until)) as tokens:
            async for token in tokens:
                last = time.perf_counter()
                first = first or last
                yield token
        if first:
            self.calls.append((first, last))


@dataclass
class Runs:
    """Seconds, tokens and texts of one client, problem by problem."""

    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, seconds: float, tokens: int, requests: int, text: str) -> None:
        self.seconds.append(seconds)
        self.tokens.append(tokens)
        self.requests.append(requests)
        self.texts.append(text)


@dataclass
class Overhead:
    """Of ours: the servers' own seconds, requests and tokens of theirs, and the gaps between the models, in seconds."""

    servers: list[float] = field(default_factory=list)
    to_first: float = 0.0
    firsts: int = 0
    gaps: list[float] = field(default_factory=list)

    def report(self, seconds: Sequence[float], problems: Sequence[int]) -> dict[str, Any]:
        outside = [whole - servers for whole, servers in zip(seconds, self.servers, strict=True)]
        low, high = ratio_bootstrap(outside, seconds, problems)
        gap, first = statistics.mean(self.gaps), self.to_first / self.firsts
        return {
            "share_outside_servers": round(sum(outside) / sum(seconds), 4),
            "interval": [round(low, 4), round(high, 4)],
            "ms_outside_per_request": round(1e3 * sum(outside) / self.firsts, 2),
            "switches": len(self.gaps),
            "switch_ms": {"mean": round(1e3 * gap, 2), "median": round(1e3 * statistics.median(self.gaps), 2)},
            "of_which_server_to_first_token_ms": round(1e3 * first, 2),
        }


class Bench:
    """Both clients on the same servers. `cold`: whether their caches can be emptied between generations."""

    def __init__(self, large: str, small: str, tokenizer: str) -> None:
        profile = load_profile("nano").model_copy(
            update={"match": "substring", "chain": False, "answerer": SMALL, "fingerprints": None}
        )
        settings = ServerSettings(tokenizer=tokenizer)
        self.engines = [Timed(url, settings) for url in (large, small)]
        options = Options(sampling=GREEDY, max_tokens=BUDGET, repetition_guard=False)
        self.relay = Relay(*self.engines, policy=f"relaygen(max_segment={NO_LIMIT})", profile=profile, options=options)
        self.plain = PlainClient({"large": large, "small": small}, profile.cues)
        self.urls = list(dict.fromkeys([large, small]))
        self.cold = self._forget()

    def ours(
        self, question: str, runs: Runs, overhead: Overhead | None = None, standby: Literal["cold", "warm"] = "cold"
    ) -> Trace:
        for engine in self.engines:
            engine.calls.clear()
        self._forget()
        before = [page_of(url) for url in self.urls]
        requests = sum(engine.counts.requests for engine in self.engines)
        began = time.perf_counter()
        trace = self.relay.generate(question, options=replace(self.relay.options, standby=standby))
        seconds = time.perf_counter() - began
        requests = sum(engine.counts.requests for engine in self.engines) - requests
        runs.add(seconds, trace.usage.completion_tokens, requests, trace.text)
        if overhead is not None:
            self._account(overhead, before)
        return trace

    def theirs(self, question: str, runs: Runs) -> None:
        self._forget()
        began = time.perf_counter()
        reply = self.plain.generate(question, BUDGET)
        runs.add(time.perf_counter() - began, reply.tokens, reply.requests, reply.text)

    def follow(self, question: str, trace: Trace, runs: Runs) -> None:
        """The plain client on the segments of ours."""
        segments = [(s.role.value, s.text, len(s.tokens)) for s in trace.segments if s.tokens and not s.inserted]
        self._forget()
        began = time.perf_counter()
        reply = self.plain.follow(question, segments)
        runs.add(time.perf_counter() - began, reply.tokens, reply.requests, reply.text)

    def _account(self, overhead: Overhead, before: list[dict[str, float]]) -> None:
        after = [page_of(url) for url in self.urls]
        spent = {name: sum(b[name] - a[name] for a, b in zip(before, after, strict=True)) for name in after[0]}
        overhead.servers.append(spent[f"{FIRST}_sum"] + spent[f"{NEXT}_sum"])
        overhead.to_first += spent[f"{FIRST}_sum"]
        overhead.firsts += int(spent[f"{FIRST}_count"])
        calls = sorted((*call, i) for i, engine in enumerate(self.engines) for call in engine.calls)
        pairs = pairwise(calls)
        overhead.gaps += [second[0] - first[1] for first, second in pairs if first[2] != second[2]]

    def _forget(self) -> bool:
        """Empties the prefix caches; False when the servers don't let us (VLLM_SERVER_DEV_MODE)."""
        try:
            for url in self.urls:
                call = urllib.request.Request(url.removesuffix("v1") + "reset_prefix_cache", method="POST")
                urllib.request.urlopen(call, timeout=60).close()
        except HTTPError:
            return False
        return True


def page_of(url: str) -> dict[str, float]:
    """The server's sums and counts of the two times."""
    with urllib.request.urlopen(url.removesuffix("v1") + "metrics", timeout=60) as page:
        lines = page.read().decode().splitlines()
    names = [f"{name}_{what}" for name in (FIRST, NEXT) for what in ("sum", "count")]
    return {name: sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{")) for name in names}


def altered(runs: Runs, alone: Sequence[str]) -> dict[str, Any]:
    """How many texts are not those of large alone, and where the first difference of each is."""
    differ = [(i, a, b) for i, (a, b) in enumerate(zip(alone, runs.texts, strict=True)) if a != b]
    return {
        "texts": len(alone),
        "altered": len(differ),
        "examples": [{"problem": i, **first_difference(a, b)} for i, a, b in differ[:3]],
    }


def first_difference(alone: str, other: str) -> dict[str, str]:
    at = next((i for i, (a, b) in enumerate(zip(alone, other, strict=False)) if a != b), min(len(alone), len(other)))
    return {"alone": alone[max(at - 20, 0) : at + 20], "relayed": other[max(at - 20, 0) : at + 20]}


def questions(count: int) -> list[str]:
    sets = [ProblemSet(task) for task in NANO_TASKS]
    return [sets[i % len(sets)][i // len(sets)].question for i in range(count)]


def pair_runs(bench: Bench, asked: Sequence[str], seconds: float = math.inf) -> dict[str, Any]:
    """Ours (the model that does not write idle, or reading along) and the plain client in turns; the latter freely, and
    on the segments of ours."""
    ours, warm, theirs, followed, overhead = Runs(), Runs(), Runs(), Runs(), Overhead()
    deadline = time.monotonic() + seconds
    for i, question in enumerate(asked):
        if i and time.monotonic() > deadline:
            break
        if i % 2:
            bench.theirs(question, theirs)
            bench.ours(question, warm, standby="warm")
        trace = bench.ours(question, ours, overhead)
        bench.follow(question, trace, followed)
        if not i % 2:
            bench.ours(question, warm, standby="warm")
            bench.theirs(question, theirs)
    return {
        "n": len(ours.seconds),
        "ours": summary(ours) | overhead.report(ours.seconds, range(len(ours.seconds))),
        "ours_warm": summary(warm),
        "plain": summary(theirs),
        "plain_on_our_segments": summary(followed),
        "warm_by_ours": ratio(warm.seconds, ours.seconds),
        "warm_same_texts": sum(a == b for a, b in zip(ours.texts, warm.texts, strict=True)),
        "plain_by_ours": ratio(theirs.seconds, ours.seconds),
        "plain_by_ours_per_token": ratio(per_token(theirs), per_token(ours)),
        "plain_on_our_segments_by_ours": ratio(followed.seconds, ours.seconds),
        "same_texts": sum(a == b for a, b in zip(ours.texts, theirs.texts, strict=True)),
    }


def one_model_runs(bench: Bench, asked: Sequence[str]) -> dict[str, Any]:
    """Large in both roles: relaying must then write what large writes alone."""
    ours, theirs, alone = Runs(), Runs(), []
    for question in asked:
        alone.append(bench.relay.generate(question, policy="large").text)
        bench.ours(question, ours)
        bench.theirs(question, theirs)
    return {"ours": altered(ours, alone), "plain": altered(theirs, alone)}


def summary(runs: Runs) -> dict[str, Any]:
    count = len(runs.seconds)
    return {
        "seconds": round(sum(runs.seconds) / count, 3),
        "tokens": round(sum(runs.tokens) / count, 1),
        "requests": round(sum(runs.requests) / count, 1),
    }


def per_token(runs: Runs) -> list[float]:
    return [seconds / tokens for seconds, tokens in zip(runs.seconds, runs.tokens, strict=True)]


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    low, high = ratio_bootstrap(above, below, range(len(above)))
    return {"ratio": round(sum(above) / sum(below), 3), "interval": [round(low, 3), round(high, 3)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", required=True)
    parser.add_argument("--small", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("-n", type=int, default=40, help="problems for the pair")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no further problem for the pair after these")
    parser.add_argument("--same", type=int, default=20, help="problems with the large model in both roles")
    given = parser.parse_args()
    asked = questions(given.n)
    pair = Bench(given.large, given.small, given.tokenizer)
    pair_runs(pair, asked[:1])  # connections, imports
    found: dict[str, Any] = {"cold_caches": pair.cold, "pair": pair_runs(pair, asked, 60 * given.minutes)}
    pair.relay.close()
    same = Bench(given.large, given.large, given.tokenizer)
    found["large_in_both_roles"] = one_model_runs(same, asked[: given.same])
    same.relay.close()
    found |= {"python": platform.python_version(), "processor": platform.machine(), "cores": os.cpu_count()}
    found["versions"] = {name: metadata.version(name) for name in ("httpx2", "openai")}
    print(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
