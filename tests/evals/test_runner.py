"""The runner: the same problems for all, interleaved, failures as failures, and no result lost or repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evals.players import PROFILE, TEMPLATE, make_header, make_relay, make_samples

from relaygen.chat import ChatTemplate
from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError, UsageError
from relaygen.evals.log import EvalLog
from relaygen.evals.reading import LOG, LogReader
from relaygen.evals.runner import PATIENCE, Runner, jobs, reseeded, seed_of
from relaygen.evals.scorers import ScorerSet
from relaygen.evals.types import Fault, Key, Result, Sample
from relaygen.policies import create_policy
from relaygen.relay import Options, Relay

pytestmark = pytest.mark.anyio
POLICIES = ["large", "small", "random(share=0.6)", "answer-only", "relaygen"]


async def run(
    folder: Path,
    relay: Relay,
    samples: Sequence[Sample],
    policies: Sequence[str] = POLICIES,
    *,
    epochs: int = 1,
    concurrency: int = 1,
    observe: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Runs to the end, taking up what is there; returns what the log holds then."""
    with EvalLog.open(folder, make_header(policies, len(samples))) as log:
        todo = [job for job in jobs(samples, policies, epochs) if job.key not in log.done]
        scorers = ScorerSet({sample.scorer for sample in samples})
        runner = Runner(
            relay,
            log,
            scorers,
            policies=policies,
            options=relay.options,
            concurrency=concurrency,
            observe=observe,
        )
        await runner.run(iter(todo))
    return list(LogReader(folder / LOG).results())


def test_every_policy_comes_first_equally_often_on_every_task() -> None:
    samples = [replace(sample, task=str(i % 4)) for i, sample in enumerate(make_samples(400))]
    every = list(jobs(samples, POLICIES[:4], 1))
    firsts = Counter((job.sample.task, job.policy) for job in every[::4])
    assert len(every) == 1600
    assert set(firsts.values()) == {25}


def test_all_policies_do_one_problem_before_the_next() -> None:
    every = list(jobs(make_samples(6), POLICIES, 2))
    assert all(len({job.sample.id for job in every[i : i + 5]}) == 1 for i in range(0, 60, 5))
    assert len({job.key for job in every}) == 60


def test_a_sample_has_one_seed_for_all_policies_and_another_in_each_epoch() -> None:
    first, second = make_samples(2)
    assert seed_of(0, first, 0) == seed_of(0, first, 0)
    others = {seed_of(0, first, 0), seed_of(1, first, 0), seed_of(0, first, 1), seed_of(0, second, 0)}
    assert len(others) == 4
    assert all(0 <= seed < 1 << 31 for seed in others)


def test_a_policy_with_coins_throws_other_ones_for_each_sample() -> None:
    policy = create_policy("random(share=0.5)", PROFILE)
    assert reseeded(policy, 1) == reseeded(policy, 1) != reseeded(policy, 2)
    large = create_policy("large", PROFILE)
    assert reseeded(large, 1) is large


async def test_results_have_what_was_asked_written_and_judged(tmp_path: Path) -> None:
    samples = make_samples(4)
    found = await run(tmp_path, make_relay(samples, large=1, small=0), samples)
    by_key = {result.key: result for result in found}
    assert len(by_key) == len(found) == 20
    large, small = (by_key[Key(policy, "sums/0", 0)] for policy in ("large", "small"))
    assert large.score is not None
    assert small.score is not None
    assert (large.score.correct, large.score.answer) == (True, "0")
    assert (small.score.correct, small.score.answer) == (False, "-987654")
    assert large.trace is not None
    assert large.trace.seed == large.seed == small.seed
    assert "The answer is" in large.trace.answer


async def test_relaygen_relays(tmp_path: Path) -> None:
    samples = make_samples(1)
    (result,) = await run(tmp_path, make_relay(samples), samples, ["relaygen"])
    assert result.trace is not None
    assert [segment.role.value for segment in result.trace.segments] == ["large", "small", "large", "small"]


async def test_epochs_repeat_each_problem(tmp_path: Path) -> None:
    samples = make_samples(2)
    found = await run(tmp_path, make_relay(samples), samples, ["large"], epochs=3)
    assert Counter(result.sample.id for result in found) == {"sums/0": 3, "sums/1": 3}
    assert len({result.seed for result in found}) == 6


async def test_many_at_a_time_give_the_same_results(tmp_path: Path) -> None:
    samples = make_samples(6)
    found = await run(tmp_path, make_relay(samples), samples, concurrency=4)
    one = await run(tmp_path / "one", make_relay(samples), samples)
    assert {r.key: r.score for r in found} == {r.key: r.score for r in one}


async def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    samples = make_samples(4)
    seen: list[Result] = []

    def stop(result: Result) -> None:
        seen.append(result)
        if len(seen) == 7:
            raise KeyError("stop here")

    with pytest.raises(KeyError):
        await run(tmp_path, make_relay(samples), samples, observe=stop)
    assert list(LogReader(tmp_path / LOG).results()) == seen
    found = await run(tmp_path, make_relay(samples), samples)
    assert found[:7] == seen
    assert len({result.key for result in found}) == len(found) == 20


def failing(script: Callable[[str], Line | str], context: int = 1 << 20) -> Relay:
    engine = ScriptedEngine(script, template=ChatTemplate(TEMPLATE), context=context)
    return Relay(engine, engine, profile=PROFILE, options=Options(max_tokens=100))


async def test_an_engine_that_fails_is_an_error_with_its_partial_trace(tmp_path: Path) -> None:
    relay = failing(lambda prompt: Line("Let me see. And so on.", fail_after=11))
    (found,) = await run(tmp_path, relay, make_samples(1), ["large"])
    assert found.score is None
    assert found.error is not None
    assert found.error.kind is Fault.ENGINE
    assert found.trace is not None
    assert found.trace.text.startswith("Let me se")


async def test_a_prompt_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    (found,) = await run(tmp_path, failing(lambda prompt: "", context=20), make_samples(1), ["large"])
    assert found.error is not None
    assert found.error.kind is Fault.PROMPT


async def test_a_scorer_that_fails_is_an_error_and_the_trace_stays(tmp_path: Path) -> None:
    sample = replace(make_samples(1)[0], scorer="gym", metadata={"dataset": "none", "settings": {}, "index": 0})
    (found,) = await run(tmp_path, failing(lambda prompt: "x</think>y"), [sample], ["large"])
    assert (found.score, found.error and found.error.kind) == (None, Fault.SCORER)
    assert found.trace is not None


async def test_an_engine_that_is_gone_stops_the_run(tmp_path: Path) -> None:
    relay = failing(lambda prompt: Line("x", fail_after=0))
    with pytest.raises(EngineError, match=rf"{PATIENCE} generations failed in a row"):
        await run(tmp_path, relay, make_samples(50), ["large"])
    assert len(list(LogReader(tmp_path / LOG).results())) == PATIENCE


async def test_a_budget_that_runs_out_is_no_error(tmp_path: Path) -> None:
    relay = failing(lambda prompt: "".join(f"{i} " for i in range(100)))
    (found,) = await run(tmp_path, relay, make_samples(1), ["large"])
    assert found.error is None
    assert found.score is not None
    assert found.trace is not None
    assert (found.score.correct, found.trace.finish_reason) == (False, "length")


async def test_an_unknown_policy_is_refused_before_anything_runs(tmp_path: Path) -> None:
    samples = make_samples(1)
    with pytest.raises(UsageError, match="no policy 'lage'"):
        await run(tmp_path, make_relay(samples), samples, ["lage"])


KILLED = """
import os, signal, sys
from pathlib import Path
import anyio
from tests.evals.players import make_relay, make_samples
from tests.evals.test_runner import run
samples, results = make_samples(12), []

def observe(result):
    results.append(result)
    if len(results) == int(sys.argv[2]):
        print("killing", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

anyio.run(lambda: run(Path(sys.argv[1]), make_relay(samples), samples, concurrency=2, observe=observe))
"""


async def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    counts: list[int] = []
    for after in ("13", "19", "1000"):
        command = [sys.executable, "-c", KILLED, str(tmp_path), after]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, check=False)
        assert done.returncode == (0 if after == "1000" else -signal.SIGKILL)
        counts.append(len(list(LogReader(tmp_path / LOG).results())))
    found = list(LogReader(tmp_path / LOG).results())
    assert counts[0] >= 13
    assert counts[1] >= counts[0] + 19
    assert len({result.key for result in found}) == len(found) == 60
    assert all(result.score for result in found)
