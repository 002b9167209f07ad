"""Every place of a trace where a cue would fire, found once, so that thousands of cue sets can be tried.

With whole words or substrings alike, a set of cues fires at the first place where one of them alone would. That makes
the segments of any set a matter of merging lists. `replay` is the definition; a property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from relaygen.calibration.transcript import Transcript
from relaygen.policies.relaygen import MAX_SEGMENT, MIN_TOKENS, RelayGen
from relaygen.profile import Profile
from relaygen.types import SMALL, Role
from relaygen.until import Until, cue, sentence_end, think_end
from relaygen.until.cue import Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """How RelayGen switches, whatever its cues are. The defaults are the policy's own."""

    match: Match = "word"
    min_tokens: int = MIN_TOKENS
    max_segment: int = MAX_SEGMENT

    def policy(self, cues: Sequence[str], answerer: Role = SMALL) -> RelayGen:
        """The policy that these sites stand for."""
        profile = Profile(name="", cues=tuple(cues), match=self.match, answerer=answerer)
        return RelayGen(profile, self.min_tokens, self.max_segment)

    @property
    def back(self) -> Until:
        """Until small hands back."""
        return sentence_end(match="substring" if self.match == "substring" else "guarded") | think_end()


class Site(NamedTuple):
    """A cue that begins at character `begin` and makes large stop after `end` tokens."""

    end: int
    shortness: int  # minus the cue's length: of cues that fire together the longest comes first, and is named
    begin: int
    cue: int


class Offload(NamedTuple):
    """Tokens `start` to `end`, which small writes after `cue` (its number)."""

    cue: int
    start: int
    end: int


class Sites:
    """The sites of all candidates in the reasoning of one trace."""

    def __init__(self, transcript: Transcript, length: int, candidates: Sequence[str], switching: Switching) -> None:
        """`length` is that of the reasoning stage, in tokens."""
        self._transcript, self._length, self._switching = transcript, length, switching
        self._sites = [list(self._find(i, text)) for i, text in enumerate(candidates)]
        self._returns: dict[int, int] = {}

    def offloads(self, chosen: Collection[int]) -> list[Offload]:
        """What small writes when the cues with these numbers are in use."""
        offsets, at, found = self._transcript.offsets, 0, list[Offload]()
        for site in sorted(chain.from_iterable(self._sites[number] for number in chosen)):
            # A word that small began is not large's cue.
            if site.end - at > self._switching.min_tokens and site.begin >= offsets[at]:
                at = self._return(site.end)
                found.append(Offload(site.cue, site.end, at))
        return found

    def _return(self, start: int) -> int:
        """Where a segment of small's that begins at token `start` ends."""
        if start not in self._returns:
            limit = min(start + self._switching.max_segment, self._length)
            self._returns[start] = self._transcript.watch(self._switching.back, start, end=limit)[0]
        return self._returns[start]

    def _find(self, number: int, text: str) -> Iterator[Site]:
        until, bare = cue((text,), match=self._switching.match), text.rstrip()
        needle = bare if self._switching.match == "word" else text
        begin = self._transcript.text.find(needle)
        while begin >= 0:
            end = self._fires(until, begin, begin + len(needle))
            if end is not None:
                yield Site(end, -len(needle), begin, number)
            begin = self._transcript.text.find(needle, begin + 1)

    def _fires(self, until: Until, begin: int, end: int) -> int | None:
        """After how many tokens the cue at these characters fires; None when it does not."""
        script = self._transcript
        # The token that completes the cue, and the next one with a character of its own, which decides.
        limit = min(script.token_at(end) + 1, self._length)
        stop, fired = script.watch(until, script.token_at(begin), end=limit)
        return stop if fired and stop < self._length else None
