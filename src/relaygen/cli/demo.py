"""`relaygen demo`: large alone, small alone and the relay on the same held-out problems."""

from __future__ import annotations

import json as jsonlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import anyio
from cyclopts import Parameter
from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from relaygen.cli.flags import Json, RelayFlags, Whole
from relaygen.cli.show import STYLES, Stream
from relaygen.demo import Outcome, Row, compare, rows
from relaygen.errors import UsageError
from relaygen.policies import Policy, create_policy
from relaygen.problems import ROOM, ProblemSet, problem_sets
from relaygen.profile import load_profile
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL, Written

POLICIES = ["large", "small", "relaygen", "guarded"]


def demo(
    *,
    n: Annotated[Whole, Parameter(name=["-n", "--n"])] = 40,
    task: str = "nano",
    policy: Annotated[list[str] | None, Parameter(negative=())] = None,
    json: Json = False,
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Compare policies on held-out problems, interleaved.

    Parameters
    ----------
    n: int
        How many problems, over all tasks together.
    task: str
        nano for all of relay-nano's tasks in turn, one of them, or any other data set of reasoning-gym.
    policy: list[str]
        A policy to compare; may be given several times. Default: large, small, relaygen and guarded.
    json: bool
        Print one JSON object instead of the stream and the table.
    """
    if not 1 <= n <= ROOM:
        raise UsageError(f"n must be between 1 and {ROOM}, not {n}.")
    named = list(dict.fromkeys(policy or POLICIES))
    for spec in named:  # a wrong name should not cost the loading of models
        create_policy(spec, load_profile("candidates"))
    sets = problem_sets(task)
    config = flags.resolve()
    with config.open() as relay:
        chosen = [(spec, create_policy(spec, relay.profile)) for spec in named]
        # The first generation is shown as it is written: the relay's, when it is among the policies.
        shown = next((spec for spec in named if spec not in ("large", "small")), named[0])
        chosen.sort(key=lambda item: item[0] != shown)
        outcomes = anyio.run(_collect, relay, chosen, sets, n, None if json else Console(highlight=False))
    found = sorted(rows(outcomes), key=lambda row: named.index(row.policy))
    if json:
        print(jsonlib.dumps(_object(task, n, config.sampling.seed, found)))
    else:
        _print_table(found, task, n, relay, outcomes[0].trace.notes)


async def _collect(
    relay: Relay, chosen: list[tuple[str, Policy]], sets: list[ProblemSet], n: int, console: Console | None
) -> list[Outcome]:
    """Runs everything. With a console the first generation is streamed, and progress shown for the rest."""
    async with relay, aclosing(compare(relay, chosen, sets, n)) as events:
        if console is None:
            return [event async for event in events if isinstance(event, Outcome)]
        console.print(Text(f"{sets[0][0].question}\n", "bold"), soft_wrap=True)
        return [await _first(events, Stream(console)), *await _others(events, console, n * len(chosen))]


async def _first(events: AsyncGenerator[Written | Outcome, None], stream: Stream) -> Outcome:
    async for event in events:
        if isinstance(event, Outcome):
            stream.end(event.trace)
            return event
        stream.show(event)
    raise AssertionError("a comparison has an outcome")


async def _others(events: AsyncGenerator[Written | Outcome, None], console: Console, total: int) -> list[Outcome]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    outcomes: list[Outcome] = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("solving", total=total, completed=1)
        async for event in events:
            if isinstance(event, Outcome):
                outcomes.append(event)
                progress.advance(bar)
    return outcomes


def _object(task: str, n: int, seed: int, found: list[Row]) -> dict[str, object]:
    return {
        "task": task,
        "n": n,
        "seed": seed,
        "policies": [
            {
                "policy": row.policy,
                "accuracy": round(row.accuracy, 4),
                "seconds": round(row.seconds, 3),
                "tokens": row.tokens,
                "large_share": round(row.large_share, 4),
                "switches": row.switches,
                "speedup": None if row.speedup is None else round(row.speedup, 3),
            }
            for row in found
        ],
    }


def _print_table(found: list[Row], task: str, n: int, relay: Relay, notes: tuple[str, ...]) -> None:
    title = f"{n} held-out problems, task: {task}, seed {relay.options.sampling.seed}"
    table = Table(title=title, box=SIMPLE_HEAVY)  # fits into 80 columns
    for heading in ("policy", "accuracy (95 %)", "seconds", "tokens", "large share", "switches", "speed-up"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for row in found:
        low, high = row.interval
        table.add_row(
            Text(row.policy),
            f"{100 * row.accuracy:.1f} % ({100 * low:.0f}–{100 * high:.0f})",
            f"{row.seconds:.1f}",
            str(row.tokens),
            f"{row.large_share:.0%}",
            str(row.switches),
            "–" if row.speedup is None else f"{row.speedup:.2f}×",
        )
    console = Console(highlight=False)
    console.print(table)
    line = Text()
    for role, does in ((LARGE, " reasons, "), (SMALL, " takes the easy segments.")):
        line.append(relay.engines[role].name, STYLES[role]).append(does)
    console.print(line)
    for note in notes:
        console.print(Text(note, "yellow"))
