"""Every place of a trace where a cue would fire, found once, so that thousands of cue sets can be tried.

With whole words or substrings alike, a set of cues fires at the first place where one of them alone would. That makes
the segments of any set a matter of merging lists. `replay` is the definition; property tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from relaygen.calibration.transcript import Transcript
from relaygen.policies.relaygen import MAX_SEGMENT, MIN_TOKENS, RelayGen
from relaygen.profile import Profile
from relaygen.types import SMALL, Ending, Role
from relaygen.until import Until, cue, sentence_end, think_end
from relaygen.until.cue import Match, is_word_character


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """How RelayGen switches, whatever its cues are. The defaults are the policy's own."""

    match: Match = "word"
    min_tokens: int = MIN_TOKENS
    max_segment: int = MAX_SEGMENT
    chain: bool = False
    """Whether small goes on when its next sentence begins with a cue too. Statistics are of single sentences."""

    def policy(self, cues: Sequence[str], answerer: Role = SMALL) -> RelayGen:
        """The policy that these sites stand for."""
        profile = Profile(name="", cues=tuple(cues), match=self.match, answerer=answerer, chain=self.chain)
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
        self._cues = [text.rstrip() for text in candidates]
        self._returns: dict[int, tuple[int, bool]] = {}
        self._openings: dict[int, dict[int, int]] = {}

    def offloads(self, chosen: Collection[int], *, alone: bool = False) -> list[Offload]:
        """What small writes when the cues with these numbers are in use; `alone` leaves chains out."""
        offsets, at, found = self._transcript.offsets, 0, list[Offload]()
        for site in sorted(chain.from_iterable(self._sites[number] for number in chosen)):
            # A word that small began is not large's cue.
            if site.end - at > self._switching.min_tokens and site.begin >= offsets[at]:
                at = self._sentence(site.end)[0] if alone else self._return(site.end, chosen)
                found.append(Offload(site.cue, site.end, at))
        return found

    def _return(self, start: int, chosen: Collection[int]) -> int:
        """Where a segment of small's that begins at token `start` ends."""
        end, whole = self._sentence(start)
        limit = min(start + self._switching.max_segment, self._length)
        while self._switching.chain and whole and end < limit:
            openings = self._opening(end)
            onward = min((openings[number] for number in chosen if number in openings), default=None)
            if onward is None:
                return self._length if self._undecided(end, chosen) else end
            # From the token that made the cue certain: it may end the sentence too.
            end, whole = self._sentence(onward - 1) if onward < limit else (limit, False)
        return min(end, limit)

    def _undecided(self, at: int, chosen: Collection[int]) -> bool:
        """Whether the reasoning ends while what follows token `at` may yet become a cue."""
        last = self._transcript.tokens[self._length - 1] in self._transcript.tokenizer.special_ids
        rest = self._transcript.words(at, self._length - last).lstrip()
        return any(self._cues[number].startswith(rest) for number in chosen)

    def _sentence(self, start: int) -> tuple[int, bool]:
        """Where the sentence that small begins at token `start` ends, and whether it does before thinking is over."""
        if start not in self._returns:
            limit = min(start + self._switching.max_segment, self._length)
            end, fired = self._transcript.watch(self._switching.back, start, end=limit)
            self._returns[start] = end, fired is not None and fired.ending is Ending.SENTENCE
        return self._returns[start]

    def _opening(self, at: int) -> dict[int, int]:
        """The cues that the text behind token `at` begins with, and after how many tokens that is certain."""
        if at not in self._openings:
            text = self._transcript.text
            begin = self._transcript.offsets[at]
            begin += len(text[begin:]) - len(text[begin:].lstrip())
            ends = {n: begin + len(c) for n, c in enumerate(self._cues) if c and text.startswith(c, begin)}
            self._openings[at] = {n: certain for n, end in ends.items() if (certain := self._certain(end))}
        return self._openings[at]

    def _certain(self, end: int) -> int | None:
        """After how many tokens a cue that ends at this character is a whole word; None when it is not."""
        text = self._transcript.text
        if not is_word_character(text[end - 1]):
            return self._transcript.token_at(end - 1) + 1
        part = end < len(text) and is_word_character(text[end])
        return None if part else self._transcript.token_at(end) + 1

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
