"""`relaygen calibrate`: a profile for a pair, from the pair's own probabilities."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from cyclopts import Parameter
from rich.console import Console

from relaygen.calibration import Calibration, Rule, Settings, Switching
from relaygen.calibration import calibrate as run
from relaygen.cli.bars import Bars
from relaygen.cli.flags import RelayFlags
from relaygen.errors import UsageError
from relaygen.profile import load_profile, save_profile

Several = Annotated[list[str] | None, Parameter(negative=())]
USUAL, RULE = Settings(), Rule()


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureFlags:
    """What is measured."""

    task: str = USUAL.task
    """nano, a reasoning-gym data set (rg:NAME), or a .jsonl file with questions."""
    n: Annotated[int, Parameter(name=["-n", "--n"])] = USUAL.n
    """How many traces."""
    first: int = USUAL.first
    """Number of the first problem."""
    traces: Path | None = None
    """Read these traces (JSONL with prompt and completion) instead of writing new ones."""
    scorer: Literal["small", "large", "both"] = USUAL.scorer
    """Who reads the traces. small alone is the paper's choice; both tells errors from mere choices of words."""
    match: Literal["word", "substring"] = USUAL.switching.match
    """How cues are matched; substring is the published behaviour."""
    chain: Annotated[bool, Parameter(negative=())] = USUAL.switching.chain
    """Let small go on over the end of a sentence when its next one begins with a cue as well."""
    add: Several = None
    """A cue to try besides the published list; may be given several times."""
    listed: bool = USUAL.listed
    """Whether to try the published list."""
    discover: int | None = USUAL.discover
    """How many frequent openings of sentences to try; by default 60, and none with --select paper."""
    answers: int = USUAL.answers
    """On how many traces to compare the two models' answers; 0 leaves that out."""
    answer_threshold: float = USUAL.answer_threshold
    """Below this agreement large answers."""
    pace: int = USUAL.pace
    """On how many problems to measure speed; 0 leaves that out."""
    concurrency: int = USUAL.concurrency
    """Traces in work at the same time."""
    window: int = USUAL.window
    """Positions that are scored in one call."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceFlags:
    """How cues are chosen."""

    select: Literal["paper", "robust"] = RULE.select
    """paper takes every cue above average; robust wants support, certainty and agreement."""
    large_share: float | None = RULE.large_share
    """Choose the cues that bring large's share of the tokens to this value at the least disagreement."""
    min_occurrences: int = RULE.min_occurrences
    """robust: how often a cue must occur."""
    min_problems: int = RULE.min_problems
    """robust: in how many problems."""
    false_discovery_rate: float = RULE.false_discovery_rate
    """robust: expected share of chosen cues that are no easier."""
    ease: float = RULE.ease
    """robust: how much small may disagree after a cue, relative to elsewhere."""
    catch: float = RULE.catch
    """The part of small's disagreements that guarded and entropy-first are to give to large."""


def calibrate(
    *,
    out: Path,
    name: str | None = None,
    report: Path | None = None,
    figures: Path | None = None,
    work: Path | None = None,
    date: str | None = None,
    measure: MeasureFlags = MeasureFlags(),
    choice: ChoiceFlags = ChoiceFlags(),
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Find the switch cues of a pair.

    Large writes reasoning traces, small reads them, and the cues after which small is sure become a profile. A run
    that was interrupted goes on where it was; another --select or --large-share on the same traces takes seconds.

    Parameters
    ----------
    out: Path
        The profile to write, for example pair.toml.
    name: str
        What reports call the profile; by default the name of the file.
    report: Path
        Write a self-contained HTML page.
    figures: Path
        Write the charts as SVG and PNG files into this folder.
    work: Path
        Folder of the working files (traces, readings, answers); by default OUT with the ending .calibration.
    date: str
        A date to write into the profile. Without one, and without SOURCE_DATE_EPOCH, there is none in it, so that the
        same seeds give the same bytes.
    """
    from relaygen.cli.cues import print_calibration

    if out.suffix != ".toml":
        raise UsageError(f"A profile is a TOML file: give --out a name that ends in .toml, not {out}.")
    added = tuple(measure.add or ())
    if flags.profile:
        added += load_profile(flags.profile).cues
    settings = Settings(name=name or out.stem, date=date or _date(os.environ), added=added, **_settings(measure))
    rule = Rule(**asdict(choice))
    config = flags.resolve(profile="candidates", policy="relaygen")
    config = config.merged({"sequences": max(config.engine.sequences, settings.concurrency)})
    console = Console(highlight=False)
    with config.open() as relay, Bars(console) as bars:
        folder = work or out.with_suffix(".calibration")
        found = anyio.run(lambda: run(relay, settings, rule, folder, progress=bars.show))
    save_profile(found.profile, out)
    print_calibration(found, console)
    _write_pages(found, report, figures)
    for path in filter(None, (out, report, figures)):
        console.print(f"Wrote {path}", soft_wrap=True)


def _settings(measure: MeasureFlags) -> dict[str, Any]:
    given = asdict(measure)
    given.pop("add")
    return given | {"switching": Switching(match=given.pop("match"), chain=given.pop("chain"))}


def _date(environment: Mapping[str, str]) -> str | None:
    """The day that SOURCE_DATE_EPOCH says, which is how reproducible builds set a date."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC).date().isoformat() if epoch.isdigit() else None


def _write_pages(found: Calibration, report: Path | None, figures: Path | None) -> None:
    if not report and not figures:
        return
    from relaygen.calibration.report import save_figures, save_report

    if report:
        save_report(found, report)
    if figures:
        save_figures(found, figures)
