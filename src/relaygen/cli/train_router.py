"""`relaygen train-router`: the router of R2R for a pair, from the pair's own answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter
from rich.console import Console

from relaygen.cli.bars import Bars
from relaygen.cli.flags import RelayFlags
from relaygen.engines.routed.record import Measured, RouterRecord
from relaygen.routing import Settings, Shape
from relaygen.routing import train_router as run
from relaygen.routing.verifiers import VerifierName

USUAL, SHAPE = Settings(), Shape()


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeFlags:
    """The network."""

    width: int = SHAPE.width
    """How wide it is; the published one. 64 is plenty for relay-nano."""
    blocks: int = SHAPE.blocks
    """How many blocks it has."""
    epochs: int = SHAPE.epochs
    """How often it sees the examples at most."""
    batch: int = SHAPE.batch
    """Examples in a step."""
    learning_rate: float = SHAPE.learning_rate
    """0 is the published one, scaled with the width."""


def train_router(
    *,
    out: Path,
    task: str = USUAL.task,
    n: Annotated[int, Parameter(name=["-n", "--n"])] = USUAL.n,
    first: int = USUAL.first,
    verifier: VerifierName = USUAL.verifier,
    recall: float = USUAL.recall,
    concurrency: int = USUAL.concurrency,
    work: Path | None = None,
    shape: ShapeFlags = ShapeFlags(),
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Train a router for a pair, for `large+routed(router="OUT")`.

    Large answers problems; where small would have written another token, a verifier says whether it matters, and a
    small network learns to tell. A run that was interrupted goes on where it was.

    Parameters
    ----------
    out: Path
        The folder to write.
    task: str
        nano, a reasoning-gym data set (rg:NAME), or a .jsonl file with questions.
    n: int
        How many answers.
    first: int
        Number of the first problem.
    verifier: str
        answer compares final answers; large lets the large model judge the sentence.
    recall: float
        Share of the tokens that matter that has to go to large; the threshold is chosen for it.
    concurrency: int
        Answers in work at the same time.
    work: Path
        Folder of the working files (answers, labels); by default OUT with the ending .work.
    """
    settings = Settings(
        task=task,
        n=n,
        first=first,
        verifier=verifier,
        recall=recall,
        concurrency=concurrency,
        shape=Shape(**asdict(shape)),
    )
    config = flags.resolve(policy="large")
    config = config.merged({"sequences": max(config.engine.sequences, concurrency)})
    console = Console(highlight=False)
    with config.open() as relay, Bars(console) as bars:
        folder = work or out.with_name(f"{out.name}.work")
        trained = anyio.run(lambda: run(relay, settings, out, folder, progress=bars.show))
    _print(trained.record, console)
    console.print(f'Wrote {out}. Try:  relaygen run --policy \'large+routed(router="{out}")\' "…"', soft_wrap=True)


def _print(record: RouterRecord, console: Console) -> None:
    made = record.training
    console.print(
        f"{made.traces} answers with {made.positions} positions; small differs at {made.differences}, "
        f"{made.divergent} of them matter.",
        soft_wrap=True,
    )
    for name, part in (("validation", record.validation), ("test", record.test)):
        console.print(f"{name}: {_words(part)}", soft_wrap=True)
    console.print(f"threshold {record.threshold:.4f}, chosen for a recall of {record.wanted_recall:.0%} in validation")


def _words(part: Measured) -> str:
    found = f"finds {part.recall:.1%} of {part.divergent} tokens that matter"
    return f"{found}, with {part.large_share:.1%} of {part.positions} tokens given to large"
