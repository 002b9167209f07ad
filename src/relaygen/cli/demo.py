"""`relaygen demo`: large alone, small alone and the relay on the same held-out problems."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import anyio
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from relaygen.cli.flags import Json, RelayFlags
from relaygen.cli.show import STYLES, Stream, summary
from relaygen.demo import Outcome, Row, compare, rows
from relaygen.errors import UsageError
from relaygen.policies import Policy, create_policy
from relaygen.problems import NANO_TASKS, ROOM, ProblemSet
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL

POLICIES = ["large", "small", "relaygen"]


def demo(
    *,
    n: Annotated[int, Parameter(name=["-n", "--n"])] = 40,
    task: str = "all",
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
        One of relay-nano's tasks, any other reasoning-gym data set, or all of relay-nano's.
    policy: list[str]
        A policy to compare; may be given several times. Default: large, small and relaygen.
    json: bool
        Print one JSON object instead of the stream and the table.
    """
    if not 1 <= n <= ROOM:
        raise UsageError(f"n must be between 1 and {ROOM}, not {n}.")
    sets = [ProblemSet(name) for name in (NANO_TASKS if task == "all" else [task])]
    config = flags.resolve()
    with config.open() as relay:
        named = list(dict.fromkeys(policy or POLICIES))
        chosen = [(spec, create_policy(spec, relay.profile)) for spec in named]
        # The first generation is shown as it is written: the relay's, when it is among the policies.
        shown = next((spec for spec in named if spec not in ("large", "small")), named[0])
        chosen.sort(key=lambda item: item[0] != shown)
        outcomes = anyio.run(_watch if not json else _collect, relay, chosen, sets, n)
    found = sorted(rows(outcomes), key=lambda row: named.index(row.policy))
    if json:
        print(jsonlib.dumps(_object(task, n, config.sampling.seed, found)))
    else:
        _print_table(found, task, n, relay)


async def _collect(relay: Relay, chosen: list[tuple[str, Policy]], sets: list[ProblemSet], n: int) -> list[Outcome]:
    return [event async for event in compare(relay, chosen, sets, n) if isinstance(event, Outcome)]


async def _watch(relay: Relay, chosen: list[tuple[str, Policy]], sets: list[ProblemSet], n: int) -> list[Outcome]:
    """Streams the first generation, then shows progress."""
    console = Console(highlight=False)
    stream = Stream(console)
    outcomes: list[Outcome] = []
    first = sets[0][0]
    console.print(f"[bold]{first.question}[/bold]\n", soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("solving", total=n * len(chosen), visible=False)
        async for event in compare(relay, chosen, sets, n):
            if isinstance(event, Outcome):
                if not outcomes:
                    stream.end(summary(event.trace))
                outcomes.append(event)
                progress.update(bar, advance=1, visible=console.is_terminal)
            elif not outcomes:
                stream.show(event)
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


def _print_table(found: list[Row], task: str, n: int, relay: Relay) -> None:
    table = Table(title=f"{n} held-out problems, task: {task}, seed {relay.options.sampling.seed}")
    for heading in ("policy", "accuracy (95 %)", "seconds", "tokens", "large share", "switches", "speed-up"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for row in found:
        low, high = row.interval
        table.add_row(
            row.policy,
            f"{row.accuracy:.1%} ({low:.0%} to {high:.0%})",
            f"{row.seconds:.1f}",
            str(row.tokens),
            f"{row.large_share:.0%}",
            str(row.switches),
            "–" if row.speedup is None else f"{row.speedup:.2f}×",
        )
    console = Console(highlight=False)
    console.print(table)
    large, small = (relay.engines[role].name for role in (LARGE, SMALL))
    console.print(f"[{STYLES[LARGE]}]{large}[/] reasons, [{STYLES[SMALL]}]{small}[/] takes the easy segments.")
