"""`relaygen eval`: every policy on the same problems, logged result by result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter
from rich.console import Console

from relaygen.cli.flags import RelayFlags
from relaygen.cli.tables import print_run
from relaygen.cli.watch import Watch
from relaygen.config import RelayConfig
from relaygen.errors import UsageError
from relaygen.evals.log import EvalLog
from relaygen.evals.plan import Plan, make_header, make_plan
from relaygen.evals.run import Run
from relaygen.evals.runner import Job, Runner, jobs
from relaygen.evals.scorers import DEADLINE, ScorerSet
from relaygen.relay import Relay

Many = Annotated[list[str] | None, Parameter(negative=())]
Switch = Annotated[bool, Parameter(negative=())]


def eval(
    *,
    task: Annotated[list[str], Parameter(negative=())],
    out: Path,
    policy: Many = None,
    samples: Annotated[int | None, Parameter(name=["--samples", "--limit", "-n"])] = None,
    epochs: int = 1,
    concurrency: int = 1,
    budget: int | None = None,
    margins: bool = True,
    retry_errors: Switch = False,
    scorer_deadline: float = DEADLINE,
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Run policies on the same problems, interleaved, and log every result.

    The same command again takes the run up where it was left, also after a crash.

    Parameters
    ----------
    task: list[str]
        nano, rg:NAME[,key=value…], a .jsonl, .json, .csv or .parquet file of a benchmark, or hf:OWNER/NAME; may be
        given several times.
    out: Path
        The folder of the run.
    policy: list[str]
        A policy to run; may be given several times. Default: large, small and the configured one.
    samples: int
        How many problems, over all tasks together. Default: all, or 100 where problems are made on demand.
    epochs: int
        How often each problem is answered, each time with another seed.
    concurrency: int
        How many answers are generated at the same time. More than one mixes up the timings of the policies.
    budget: int
        Token budget of one answer; the same as --max-tokens.
    margins: bool
        Record the margin of every token, for the report.
    retry_errors: bool
        Try again what failed before.
    scorer_deadline: float
        Seconds after which judging one answer is given up as an error.
    """
    console = Console(stderr=True, highlight=False)
    config = _configured(flags, budget, concurrency)
    policies = policy or list(dict.fromkeys(["large", "small", config.policy]))
    plan = make_plan(config, task, policies, samples=samples, epochs=epochs, concurrency=concurrency, margins=margins)
    scorers = ScorerSet({sample.scorer for sample in plan.samples}, scorer_deadline)
    with config.open() as relay, EvalLog.open(out, make_header(plan, relay)) as log:
        anyio.run(_run, plan, relay, log, scorers, retry_errors, console)
    run = Run.read(log.path)
    print_run(run.summaries, run.about)
    console.print(f"The log is {log.path}. See it all with:  relaygen report {out}", soft_wrap=True)


def _configured(flags: RelayFlags, budget: int | None, concurrency: int) -> RelayConfig:
    if budget is not None and flags.max_tokens not in (None, budget):
        raise UsageError(f"--budget {budget} and --max-tokens {flags.max_tokens} are the same setting; give one.")
    config = flags.resolve(max_tokens=budget if flags.max_tokens is None else flags.max_tokens)
    return config.merged({"sequences": max(config.engine.sequences, concurrency)})


async def _run(plan: Plan, relay: Relay, log: EvalLog, scorers: ScorerSet, retry: bool, console: Console) -> None:
    done = log.done - log.failed if retry else log.done
    every = list(jobs(plan.samples, plan.policies, plan.epochs))
    todo: list[Job] = [job for job in every if job.key not in done]
    if len(todo) < len(every):
        console.print(f"{len(every) - len(todo)} of {len(every)} answers are in {log.path} already.", soft_wrap=True)
    async with relay:
        with Watch(plan.policies, len(every), len(every) - len(todo), console) as watch:
            runner = Runner(
                relay,
                log,
                scorers,
                policies=plan.policies,
                options=replace(plan.config.options, margins=plan.margins),
                concurrency=plan.concurrency,
                observe=watch.observe,
            )
            await runner.run(iter(todo))
