"""What a gateway takes from a model server's throughput: the same prompts sent to vLLM itself and through a gateway.

    python benchmarks/through_gateway.py --vllm http://127.0.0.1:8001/v1 --tokenizer /path/to/the/model

The gateway's model is `large`, so that nothing is relayed and both arms ask one model for the same greedy text. Arms
take turns, and the first of a round is the other one than before. Prints one JSON object; a ratio is tokens per second
through the gateway over tokens per second without, as the geometric mean over the rounds, with a 95 % interval
(Student's t). The gateway's own processor time per token does not depend on what else the machine does. `same_texts` is
the share of prompts for which both arms wrote the same; near ties fall either way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean, stdev
from threading import Thread
from typing import Any

import httpx2
from gateway import processor_seconds
from scipy.stats import t as student

from relaygen.chat import ChatTemplate

QUESTION = "State the final answer to the following arithmetic problem: {} + {} ="
TOKENS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", required=True, help="address of the server")
    parser.add_argument("--tokenizer", required=True, help="folder with the model's tokenizer and chat template")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with served(given.vllm, given.tokenizer) as (url, pid):
        measured = asyncio.run(measure(given, url, pid))
    facts = {"rounds": given.rounds, "python": platform.python_version(), "cores": os.cpu_count()}
    print(json.dumps({"concurrency": measured} | facts, indent=2))


@contextmanager
def served(vllm: str, tokenizer: str) -> Iterator[tuple[str, int]]:
    """`relaygen serve` in a process of its own; its address and its number."""
    pair = ["--large", vllm, "--small", vllm, "--tokenizer", tokenizer, "--policy", "large"]
    command = [sys.executable, "-m", "relaygen", "serve", "--port", "0", *pair]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            listening = next(line for line in process.stderr if '"listening"' in line)
            Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop the gateway
            yield f"{json.loads(listening)['url']}/v1", process.pid
        finally:
            process.kill()


async def measure(given: argparse.Namespace, through: str, pid: int) -> dict[int, dict[str, Any]]:
    template = ChatTemplate.load(given.tokenizer)
    async with httpx2.AsyncClient(timeout=None, trust_env=False) as http:
        listed = (await http.get(f"{given.vllm}/models")).json()
        arms = {"direct": (given.vllm, listed["data"][0]["id"]), "gateway": (through, "large")}
        return {count: await compare(http, template, arms, pid, count, given.rounds) for count in given.concurrency}


async def compare(
    http: httpx2.AsyncClient,
    template: ChatTemplate,
    arms: dict[str, tuple[str, str]],
    pid: int,
    count: int,
    rounds: int,
) -> dict[str, Any]:
    """`count` streams at once, round after round; the first round only warms up."""
    speeds: dict[str, list[float]] = {arm: [] for arm in arms}
    same: list[bool] = []
    tokens, processor = 0, processor_seconds(pid)
    for number in range(rounds + 1):
        order = list(arms) if number % 2 else list(arms)[::-1]
        prompts = [prompt(template, number * count + i) for i in range(count)]
        written: dict[str, list[str]] = {}
        for arm in order:
            speed, found, written[arm] = await burst(http, *arms[arm], prompts)
            tokens += found if arm == "gateway" else 0
            if number:
                speeds[arm].append(speed)
        same += [a == b for a, b in zip(*written.values(), strict=True)]
    ratio, low, high = interval([a / b for a, b in zip(speeds["gateway"], speeds["direct"], strict=True)])
    means = {f"{arm}_tokens_per_second": round(fmean(found), 1) for arm, found in speeds.items()}
    means |= {"ratio": round(ratio, 3), "same_texts": round(fmean(same), 3)}
    cost = round(1e6 * (processor_seconds(pid) - processor) / tokens, 1)
    return {**means, "interval": [round(low, 3), round(high, 3)], "gateway_microseconds_per_token": cost}


def prompt(template: ChatTemplate, number: int) -> str:
    question = QUESTION.format(100 + number * 7 % 900, 100 + number * 11 % 900)
    return template.render([{"role": "user", "content": question}])


async def burst(http: httpx2.AsyncClient, url: str, model: str, prompts: list[str]) -> tuple[float, int, list[str]]:
    """Tokens per second of all prompts at once, tokens, and the texts."""
    began = time.perf_counter()
    results = await asyncio.gather(*(complete(http, url, model, text) for text in prompts))
    tokens = sum(tokens for tokens, _ in results)
    return tokens / (time.perf_counter() - began), tokens, [text for _, text in results]


async def complete(http: httpx2.AsyncClient, url: str, model: str, text: str) -> tuple[int, str]:
    """One stream, read to its end: how many tokens it had, and its text."""
    body = {"model": model, "prompt": text, "stream": True, "max_tokens": TOKENS, "temperature": 0}
    body |= {"stream_options": {"include_usage": True}, "skip_special_tokens": False}
    written, tokens = "", 0
    async with http.stream("POST", f"{url}/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                written += "".join(choice["text"] for choice in event.get("choices", ()))
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    if not tokens:
        raise SystemExit(f"{url} sent no usage; is its stream complete?")
    return tokens, written


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """Geometric mean and its 95 % interval."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = fmean(logs)
    reach = student.ppf(0.975, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.inf
    return math.exp(middle), math.exp(middle - reach), math.exp(middle + reach)


if __name__ == "__main__":
    main()
