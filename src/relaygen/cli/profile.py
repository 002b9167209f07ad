"""`relaygen profile`: look at profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cyclopts import App
from rich.console import Console
from rich.table import Table
from rich.text import Text

from relaygen.cli.cues import doubt_table, joined, statistics_table
from relaygen.cli.flags import RelayFlags
from relaygen.errors import ProfileError, UsageError
from relaygen.profile import Profile, load_profile, save_profile, shipped

profile = App(name="profile", help="Look at profiles: show, diff, merge, check.")


@profile.command
def show(name: str | None = None) -> None:
    """Show a profile, or list those that come with the package.

    Parameters
    ----------
    name: str
        A shipped profile or the path of a file.
    """
    console = Console(highlight=False)
    if name is None:
        console.print(_listed([load_profile(each) for each in shipped()]))
        return
    found = load_profile(name)
    table = Table(box=None, show_header=False, pad_edge=False)
    for heading, text in _facts(found):
        table.add_row(Text(heading, "dim"), Text(text))
    console.print(table)
    if found.doubt:
        console.print(doubt_table(found.doubt))
    if found.evidence:
        console.print(statistics_table(found))


@profile.command
def diff(a: str, b: str) -> None:
    """Compare two profiles: which cues differ, and how the statistics moved.

    Parameters
    ----------
    a: str
        A shipped profile or the path of a file.
    b: str
        Another one.
    """
    first, second = load_profile(a), load_profile(b)
    console = Console(highlight=False)
    gone = [cue for cue in first.cues if cue not in second.cues]
    new = [cue for cue in second.cues if cue not in first.cues]
    console.print(Text.assemble((f"only in {a}: ", "dim"), joined(gone)), soft_wrap=True)
    console.print(Text.assemble((f"only in {b}: ", "dim"), joined(new)), soft_wrap=True)
    console.print(
        Text.assemble(("in both: ", "dim"), joined(c for c in first.cues if c in second.cues)), soft_wrap=True
    )
    for heading, left, right in _changed(first, second):
        console.print(Text.assemble((f"{heading}: ", "dim"), f"{left} → {right}"), soft_wrap=True)
    moved = _moved(first, second)
    if moved.row_count:
        console.print(moved)


@profile.command
def merge(first: str, *others: str, out: Path, how: Literal["union", "intersection"] = "union") -> None:
    """Put profiles of one pair together, for example of several tasks.

    The statistics stay with the profiles that they were measured for.

    Parameters
    ----------
    first: str
        A shipped profile or the path of a file.
    others: str
        More of them.
    out: Path
        The profile to write.
    how: str
        union keeps the cues of any profile, intersection those of all.
    """
    from relaygen.calibration.merge import merged

    if not others:
        raise UsageError("Merging needs two profiles or more.")
    found = merged([load_profile(name) for name in (first, *others)], how, name=out.stem)
    save_profile(found, out)
    Console(highlight=False).print(f"Wrote {out} with {len(found.cues)} cues.", soft_wrap=True)


@profile.command
def check(name: str, *, flags: RelayFlags = RelayFlags()) -> None:  # noqa: B008 - frozen
    """Check that a profile is valid and, with --large and --small, that it belongs to this pair.

    Parameters
    ----------
    name: str
        A shipped profile or the path of a file.
    """
    from relaygen.calibration.candidates import covered
    from relaygen.engines import create_engine
    from relaygen.relay.pair import other_pair

    found, console = load_profile(name), Console(highlight=False)
    idle = sorted(covered(found.cues)) if found.match == "word" else []
    if idle:
        console.print(Text(f"Never reached, because a shorter cue fires first: {joined(idle)}"), soft_wrap=True)
    if flags.large or flags.small or flags.config:
        config = flags.resolve()
        references = (config.large, config.large_server), (config.small, config.small_server)
        large, small = (create_engine(ref, config.engine, server) for ref, server in references)
        if doubt := other_pair(found, large, small):
            raise ProfileError(doubt)
        known = "belongs to this pair" if found.fingerprints else "has no fingerprints to compare"
        console.print(f"{name} {known}.", soft_wrap=True)
    console.print(f"{name} is valid: {found.origin}, {len(found.cues)} cues.", soft_wrap=True)


def _listed(profiles: list[Profile]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("profile", "origin", "large", "small", "cues"):
        table.add_column(heading, justify="right" if heading == "cues" else "left")
    for each in profiles:
        table.add_row(each.name, each.origin, each.large or "any", each.small or "any", str(len(each.cues)))
    return table


def _facts(found: Profile) -> list[tuple[str, str]]:
    """What there is to say about a profile, in order."""
    facts = [
        ("profile", found.name),
        ("origin", found.origin),
        ("large", found.large or "any"),
        ("small", found.small or "any"),
        ("answers", found.answerer.value),
        ("matching", found.match),
        ("chained", "yes" if found.chain else "no"),
        (f"{len(found.cues)} cues", joined(found.cues)),
    ]
    if found.source:
        known = found.source.model_dump(exclude_none=True).items()
        facts.append(("measured", ", ".join(f"{key} {value}" for key, value in known)))
    if found.selection:
        known = found.selection.model_dump(exclude_none=True).items()
        facts.append(("chosen by", ", ".join(f"{key} {value}" for key, value in known)))
    if found.predicted:
        facts.append(("predicted", f"large share {found.predicted.large_share:.1%}"))
    if found.answers:
        facts.append(("same answer", f"{found.answers.same} of {found.answers.n}"))
    return facts


def _changed(first: Profile, second: Profile) -> list[tuple[str, str, str]]:
    """Facts in words that differ; the cues have lines of their own."""
    before, after = dict(_facts(first)), dict(_facts(second))
    names = [heading for heading in before | after if not heading.endswith("cues")]
    pairs = [(heading, before.get(heading, "unknown"), after.get(heading, "unknown")) for heading in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _moved(first: Profile, second: Profile) -> Table:
    before, after = ({e.cue: e for e in p.evidence.statistics} if p.evidence else {} for p in (first, second))
    table = Table(title="difference of margins, where both measured it")
    for heading in ("cue", "before", "after", "verdict"):
        table.add_column(heading, justify="right" if heading in ("before", "after") else "left")
    for cue in (cue for cue in before if cue in after and (cue in first.cues or cue in second.cues)):
        old, new = before[cue], after[cue]
        verdict = old.verdict if old.verdict == new.verdict else f"{old.verdict} → {new.verdict}"
        table.add_row(Text(cue), f"{old.difference:+.4f}", f"{new.difference:+.4f}", verdict)
    return table
