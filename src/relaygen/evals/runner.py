"""Runs every policy on the same problems, interleaved, and logs each result as it completes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import anyio

from relaygen.errors import ContextError, EngineError, ScoringError
from relaygen.evals.log import EvalLog
from relaygen.evals.scorers import ScorerSet
from relaygen.evals.types import Failure, Fault, Key, Result, Sample
from relaygen.policies import Composed, Policy, create_policy
from relaygen.relay import Options, Relay
from relaygen.types import Trace

PATIENCE = 10  # engine failures in a row after which a run stops: the engine is gone, not the problem hard
Observer = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One generation to be made."""

    policy: str
    sample: Sample
    epoch: int

    @property
    def key(self) -> Key:
        return Key(self.policy, self.sample.id, self.epoch)


def jobs(samples: Sequence[Sample], policies: Sequence[str], epochs: int) -> Iterator[Job]:
    """All generations of a run: problem after problem, on each every policy, with another one first each time.

    After every round of all policies the order shifts once more, so that it does not beat in time with the tasks.
    """
    count = len(policies)
    for epoch in range(epochs):
        for i, sample in enumerate(samples):
            first = i + i // count + epoch
            for j in range(count):
                yield Job(policies[(first + j) % count], sample, epoch)


def seed_of(seed: int, sample: Sample, epoch: int) -> int:
    """The sampling seed of one sample in one epoch: the same for all policies, whatever else is in the run."""
    digest = hashlib.blake2b(f"{seed}/{sample.id}/{epoch}".encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest) >> 1


class Runner:
    """Generates, scores, logs. `observe` hears of every result once it is on the disk."""

    def __init__(
        self,
        relay: Relay,
        log: EvalLog,
        scorers: ScorerSet,
        *,
        policies: Sequence[str],
        options: Options,
        concurrency: int = 1,
        observe: Observer = lambda result: None,
    ) -> None:
        """`options.sampling.seed` is the seed of the run. Raises UsageError for a policy that can't be built."""
        self._relay, self._log, self._scorers = relay, log, scorers
        self._policies = {spec: create_policy(spec, relay.profile) for spec in policies}
        self._options, self._concurrency, self._observe = options, concurrency, observe
        self._failures = 0

    async def run(self, todo: Iterator[Job]) -> None:
        """Works through the jobs, `concurrency` at a time.

        Raises UsageError when the log can't be written or a policy can't run on this pair, EngineError after too many
        failures in a row.
        """
        await self._warm_up()
        writing = anyio.Lock()

        async def work() -> None:
            for job in todo:  # shared: each worker takes the next one
                result = await self._result(job)
                async with writing:
                    await anyio.to_thread.run_sync(self._log.append, result)
                self._observe(result)
                self._check(result)

        try:
            async with anyio.create_task_group() as group:
                for _ in range(self._concurrency):
                    group.start_soon(work)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _warm_up(self) -> None:
        """The first pass through a model is slower than all others; nobody should be charged for it."""
        for engine in self._relay.engines.values():
            await engine.warm(engine.tokenizer.encode("Warming up."))

    async def _result(self, job: Job) -> Result:
        seed = seed_of(self._options.sampling.seed, job.sample, job.epoch)
        result = Result(policy=job.policy, sample=job.sample, epoch=job.epoch, seed=seed)
        options = replace(self._options, sampling=replace(self._options.sampling, seed=seed))
        policy = reseeded(self._policies[job.policy], seed)
        try:
            trace = await self._relay.agenerate(job.sample.input, policy=policy, options=options)
        except EngineError as error:
            return replace(result, trace=error.trace, error=Failure(kind=Fault.ENGINE, message=str(error)))
        except ContextError as error:
            return replace(result, error=Failure(kind=Fault.PROMPT, message=str(error)))
        return await self._scored(replace(result, trace=trace), trace)

    async def _scored(self, result: Result, trace: Trace) -> Result:
        try:
            return replace(result, score=await self._scorers(result.sample, trace.answer))
        except ScoringError as error:
            return replace(result, error=Failure(kind=Fault.SCORER, message=str(error)))

    def _check(self, result: Result) -> None:
        failed = result.error is not None and result.error.kind is Fault.ENGINE
        self._failures = self._failures + 1 if failed else 0
        if failed and result.error and self._failures >= PATIENCE:
            raise EngineError(
                f"{PATIENCE} generations failed in a row, the last one with: {result.error.message} "
                "The results up to there are in the log; --retry-errors tries the failed ones again."
            )


def reseeded(policy: Policy, seed: int) -> Policy:
    """A policy that throws coins throws other ones for every sample: its own seed is mixed with the sample's."""
    if isinstance(policy, Composed):
        return replace(policy, policy=reseeded(policy.policy, seed))
    if not is_dataclass(policy) or "seed" not in {f.name for f in fields(policy)}:
        return policy
    seeded: Any = policy
    mixed: Policy = replace(seeded, seed=seeded.seed * 1_000_003 + seed)
    return mixed
