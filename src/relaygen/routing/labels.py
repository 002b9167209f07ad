"""At which tokens small would part from large's way, and whether that matters. Kept as it comes, in a JSONL file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relaygen.calibration.collect import Recorded, Tick
from relaygen.calibration.concurrency import for_each
from relaygen.calibration.store import Record, Store
from relaygen.engines import Engine, fingerprint
from relaygen.relay import Relay
from relaygen.routing.verifiers import VerifierName, verifier
from relaygen.types import LARGE, SMALL


@dataclass(frozen=True, slots=True)
class Difference:
    """A position of the completion at which small's first choice is `token` and large wrote something else.

    `divergent` is None where the verifier could not tell.
    """

    position: int
    token: int
    divergent: bool | None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A trace of large, and where small differs from it. At all other positions small chooses what large wrote."""

    trace: Recorded
    differences: tuple[Difference, ...]

    @property
    def positions(self) -> int:
        """The tokens of the completion and the end of the sequence."""
        return len(self.trace.tokens) + 1


async def label(
    relay: Relay,
    traces: Sequence[Recorded],
    path: Path,
    *,
    judge: VerifierName = "answer",
    concurrency: int = 1,
    tick: Tick = lambda done: None,
) -> list[Labelled]:
    """Labels every trace that came to its end; what stands in `path` already is not judged again.

    Raises UsageError when `path` belongs to another run, EngineError when a model fails; what was written by then is
    kept.
    """
    complete = [trace for trace in traces if trace.finish == "stop"]
    with Store(path, _head(relay, judge)) as store:
        known = {record["problem"]: record for record in store.records}
        missing = [trace for trace in complete if trace.problem not in known]
        done = len(complete) - len(missing)
        tick(done)
        judges = verifier(judge, relay)

        async def work(trace: Recorded) -> None:
            nonlocal done
            found = [
                [position, token, await judges.diverges(trace, position, token)]
                for position, token in await differing(relay.engines[SMALL], relay.engines[LARGE], trace)
            ]
            known[trace.problem] = {"problem": trace.problem, "tokens": len(trace.tokens), "differences": found}
            store.append(known[trace.problem])
            done += 1
            tick(done)

        await for_each(missing, concurrency, work)
    return [Labelled(trace, _differences(known[trace.problem])) for trace in complete]


async def differing(small: Engine, large: Engine, trace: Recorded) -> list[tuple[int, int]]:
    """Where small, reading large's completion, would have gone on with another token, and with which."""
    eos = large.tokenizer.eos_ids
    written = [*trace.tokens, min(eos)]
    scored = await small.score([*trace.prompt, *written], len(trace.prompt))
    first = [position.top[0].id for position in scored]
    pairs = enumerate(zip(first, written, strict=True))
    return [(at, own) for at, (own, other) in pairs if own != other and not (own in eos and other in eos)]


def _head(relay: Relay, judge: VerifierName) -> Record:
    return {
        "relaygen": "router labels",
        "large": fingerprint(relay.engines[LARGE]),
        "small": fingerprint(relay.engines[SMALL]),
        "verifier": judge,
        "max_tokens": relay.options.max_tokens,
    }


def _differences(record: Record) -> tuple[Difference, ...]:
    return tuple(Difference(*entry) for entry in record["differences"])
