"""`relaygen check`: tries out both models of a pair before anybody relies on them."""

from __future__ import annotations

import json as jsonlib
import sys

import anyio
from rich.console import Console
from rich.table import Table

from relaygen.cli.flags import Json, RelayFlags
from relaygen.config import RelayConfig
from relaygen.engines import Engine, create_engine
from relaygen.engines.openai.probes import Finding, Verdict, findings, pair_findings
from relaygen.errors import RelayError
from relaygen.types import LARGE, SMALL, Role

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.SKIPPED: "dim"}
Found = dict[str, list[Finding]]


def check(*, json: Json = False, flags: RelayFlags = RelayFlags()) -> None:  # noqa: B008 - frozen
    """Try out both models: tokens, templates, probabilities, cache, abort, scoring. Exit code 1 when a probe fails.

    Parameters
    ----------
    json: bool
        Print one JSON object instead of the table.
    """
    found = anyio.run(_probe, flags.resolve())
    if json:
        print(jsonlib.dumps({who: [finding._asdict() for finding in rows] for who, rows in found.items()}))
    else:
        _print(found)
    if any(finding.verdict is Verdict.FAILED for rows in found.values() for finding in rows):
        sys.exit(1)


async def _probe(config: RelayConfig) -> Found:
    """Findings by role, and for the pair when both models are there."""
    found: Found = {LARGE.value: [], SMALL.value: [], "pair": []}
    engines: dict[Role, Engine] = {}
    for role, reference, server in (
        (LARGE, config.large, config.large_server),
        (SMALL, config.small, config.small_server),
    ):
        try:
            engines[role] = create_engine(reference, config.engine, server)
        except RelayError as error:
            found[role.value].append(Finding("model", Verdict.FAILED, str(error)))
            continue
        found[role.value] += [finding async for finding in findings(engines[role])]
    if len(engines) == 2:
        found["pair"] = pair_findings(engines[LARGE], engines[SMALL])
    for engine in engines.values():
        await engine.aclose()
    return found


def _print(found: Found) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "probe", "verdict", ""):
        table.add_column(heading)
    for who, rows in found.items():
        for i, (probe, verdict, detail) in enumerate(rows):
            table.add_row(who if i == 0 else "", probe, f"[{STYLES[verdict]}]{verdict}[/]", detail)
    Console(highlight=False).print(table)
