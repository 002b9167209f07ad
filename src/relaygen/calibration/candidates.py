"""Which cues are tried: the published list, what the user adds, and what begins sentences in the traces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from relaygen.calibration.scoring import Reading
from relaygen.profile import load_profile
from relaygen.until import sentence_end
from relaygen.until.cue import Match

Origin = Literal["list", "added", "discovered"]
# A first word, what follows it at once, and a second word with what follows that.
OPENING = re.compile(r"\s*([^\W\d_][\w'’-]*)([,:;]?)(?:[ \t]+([^\W\d_][\w'’-]*)([,:;]?))?")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cue to try, and who proposed it."""

    cue: str
    origin: Origin


def candidates(
    readings: Sequence[Reading],
    *,
    match: Match = "word",
    listed: bool = True,
    added: Iterable[str] = (),
    discover: int = 0,
    min_problems: int = 1,
) -> list[Candidate]:
    """The published list (91 entries), then `added`, then the `discover` most frequent openings; none twice.

    As whole words "So" and "So " are the same cue; the first spelling stays.
    """
    published = load_profile("candidates").cues if listed else ()
    proposed = [Candidate(cue, "list") for cue in published] + [Candidate(cue, "added") for cue in added]
    proposed += [Candidate(cue, "discovered") for cue in discovered(readings, discover, min_problems)]
    unique: dict[str, Candidate] = {}
    for candidate in proposed:
        unique.setdefault(candidate.cue.rstrip() if match == "word" else candidate.cue, candidate)
    return list(unique.values())


def discovered(readings: Sequence[Reading], limit: int, min_problems: int = 1) -> list[str]:
    """The words and pairs of words that most sentences begin with, comma or colon included.

    Only those that occur in `min_problems` problems; ties are broken alphabetically. Chosen by frequency alone, which
    leaves the tests on their margins valid.
    """
    counts: Counter[str] = Counter()
    problems: dict[str, set[str]] = {}
    for reading in readings if limit else ():
        for opening in (o for sentence in sentences(reading) for o in openings(sentence)):
            counts[opening] += 1
            problems.setdefault(opening, set()).add(reading.problem)
    frequent = [cue for cue in counts if len(problems[cue]) >= min_problems]
    return sorted(frequent, key=lambda cue: (-counts[cue], cue))[:limit]


def sentences(reading: Reading) -> Iterator[str]:
    """The sentences of the reasoning, cut where the policy would end a segment."""
    at, until = 0, sentence_end()
    while at < len(reading):
        end, _ = reading.transcript.watch(until, at, end=len(reading))
        yield reading.transcript.words(at, end)
        at = end


def openings(sentence: str) -> list[str]:
    """`Now, the rest` begins with "Now,"; `It is 4` with "It" and "It is"."""
    found = OPENING.match(sentence.removeprefix("<think>"))
    if not found:
        return []
    first, mark, second, second_mark = found.groups(default="")
    if mark:
        return [first + mark]
    return [first, f"{first} {second}{second_mark}"] if second else [first]


def covered(cues: Sequence[str]) -> set[str]:
    """Cues that add nothing to the others as whole words: "Thus," fires where "Thus" has fired already."""
    words = {cue.rstrip() for cue in cues}
    return {cue for cue in cues if any(_within(word, cue.rstrip()) for word in words)}


def _within(word: str, cue: str) -> bool:
    """Whether `word` ends in a letter and stands in `cue`, which is longer, as a word of its own."""
    if word == cue or not (word[-1].isalnum()):
        return False
    return re.search(rf"(?<![\w'’-]){re.escape(word)}(?![\w'’-])", cue) is not None
