"""`relaygen bench`: latency and throughput of a policy, or of an endpoint, under a closed-loop load."""

from __future__ import annotations

import json as jsonlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from itertools import cycle, islice
from typing import Annotated

import anyio
from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from relaygen.cli.flags import Json, RelayFlags
from relaygen.cli.tables import print_about, table_of
from relaygen.config import RelayConfig
from relaygen.errors import EngineError, UsageError
from relaygen.evals.bench import EndpointTarget, Level, Measured, RelayTarget, Target, closed_loop, summarise
from relaygen.evals.bench.levels import Percentiles
from relaygen.evals.describe import place
from relaygen.evals.environment import environment
from relaygen.evals.tables import NOTHING
from relaygen.evals.tasks import create_tasks, load_samples
from relaygen.policies import create_policy

HEADINGS = ("callers", "done", "failed", "first token", "per token", "end to end", "tokens/s", "req/s")
Numbers = Annotated[list[int] | None, Parameter(consume_multiple=True, negative=())]


def bench(
    *,
    concurrency: Numbers = None,
    requests: int = 40,
    task: str = "nano",
    policy: str | None = None,
    endpoint: str | None = None,
    model: str | None = None,
    key: Annotated[str, Parameter(env_var="OPENAI_API_KEY", show_default=False)] = "",
    json: Json = False,
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Measure latency and throughput: so many callers, each asking again as soon as it has its answer.

    Parameters
    ----------
    concurrency: list[int]
        How many callers; several numbers are measured one after another. Default: 1 2 4.
    requests: int
        Requests at each concurrency; a few more come first and are not counted.
    task: str
        Where the questions come from: as for `relaygen eval`.
    policy: str
        The policy to measure, on the pair of the flags or the configuration file.
    endpoint: str
        Instead of a policy: the URL of an OpenAI-compatible server, for example http://127.0.0.1:8000/v1.
    model: str
        The name of the model at the endpoint.
    key: str
        The key for the endpoint.
    json: bool
        Print one JSON object instead of a table.
    """
    levels = concurrency or [1, 2, 4]
    if min(levels) < 1 or requests < 1:
        raise UsageError("concurrency and requests must be at least 1.")
    if bool(endpoint) != bool(model) or (endpoint and policy):
        raise UsageError("Give either a policy, or --endpoint and --model together.")
    config = flags.resolve(policy=policy)
    config = config.merged({"sequences": max(config.engine.sequences, *levels)})
    loads = _loads(task, config.sampling.seed, requests, levels)
    target = _endpoint(endpoint, model, key, config) if endpoint and model else _policy(config)
    found = anyio.run(_measure, target, loads, levels)
    about = _about(config, endpoint, model, task, requests)
    if json:
        print(jsonlib.dumps({"about": about, "levels": [asdict(level) for level in found]}))
    else:
        console = Console(highlight=False)
        print_about(about, console)
        console.print(_table(found))


def _loads(task: str, seed: int, requests: int, levels: Sequence[int]) -> list[list[str]]:
    """The questions of each level, and last those of the warm-up: other ones each time, as long as there are some."""
    sizes = [*(requests for _ in levels), max(levels)]
    samples = load_samples(create_tasks([task], seed), sum(sizes))
    questions = cycle([sample.input for sample in samples])
    return [list(islice(questions, size)) for size in sizes]


async def _measure(
    target: AbstractAsyncContextManager[Target], loads: list[list[str]], levels: list[int]
) -> list[Level]:
    *measured, warm_up = loads
    console = Console(stderr=True)
    async with target as ready:
        _stop_if_all_failed((await closed_loop(ready, warm_up, max(levels))).requests)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            return [
                await _level(ready, load, callers, progress) for load, callers in zip(measured, levels, strict=True)
            ]


async def _level(target: Target, prompts: list[str], callers: int, progress: Progress) -> Level:
    bar = progress.add_task(f"{callers} callers", total=len(prompts))
    loop = await closed_loop(target, prompts, callers, observe=lambda _: progress.advance(bar))
    return summarise(loop, callers)


def _stop_if_all_failed(requests: Sequence[Measured]) -> None:
    if requests and all(measured.error for measured in requests):
        raise EngineError(f"Every request failed, the last one with: {requests[-1].error}")


@asynccontextmanager
async def _policy(config: RelayConfig) -> AsyncIterator[Target]:
    with config.open() as relay:
        try:
            yield RelayTarget(relay, create_policy(config.policy, relay.profile), config.options)
        finally:
            await relay.aclose()


@asynccontextmanager
async def _endpoint(url: str, model: str, key: str, config: RelayConfig) -> AsyncIterator[Target]:
    sampling = config.sampling
    parameters = {"max_tokens": config.max_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
    async with EndpointTarget(url, model, parameters=parameters | {"seed": sampling.seed}, key=key) as target:
        yield target


def _about(config: RelayConfig, endpoint: str | None, model: str | None, task: str, requests: int) -> dict[str, str]:
    what = f"{model} at {endpoint}" if endpoint else f"{config.policy} on {config.large} and {config.small}"
    sampling = config.sampling
    about = {"target": what, "task": f"{task}, {requests} requests at each concurrency"}
    about |= {"sampling": f"temperature {sampling.temperature:g}, top_p {sampling.top_p:g}, seed {sampling.seed}"}
    return about | {"budget": f"{config.max_tokens} tokens"} | place(environment())


def _table(levels: Sequence[Level]) -> Table:
    table = table_of(HEADINGS, [_cells(level) for level in levels])
    table.caption = "times in milliseconds: median, below it 90th and 99th percentile"
    return table


def _cells(level: Level) -> list[str]:
    times = [_milliseconds(times) for times in (level.first_token, level.per_token, level.end_to_end)]
    counts = [str(count) for count in (level.concurrency, level.requests, level.errors)]
    return [*counts, *times, f"{level.tokens_per_second:.1f}", f"{level.requests_per_second:.2f}"]


def _milliseconds(times: Percentiles | None) -> str:
    return "\n".join(f"{1000 * t:.1f}" if t < 1 else f"{1000 * t:.0f}" for t in times) if times else NOTHING
