"""What a server can stop at by itself, so that it writes less that nobody wants.

The matcher on this side decides. A server that stops where the matcher does not (a cue inside another word, or within
the first tokens) is asked to go on; one that stops nowhere is cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from relaygen.engines.base import Params
from relaygen.tokenizer import Tokenizer
from relaygen.until import THINK_END, CueCondition, Matcher, TextCondition, ThinkEndCondition, Until
from relaygen.until.cue import is_word_character


class Stops(NamedTuple):
    """Token ids, and texts in order of their weight."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]


def server_stops(params: Params, until: Matcher | None, tokenizer: Tokenizer) -> Stops:
    """The end of sequence, the end of thinking, stop texts and cues."""
    conditions = until.until if until else Until(())
    ids = set(params.eos)
    texts: list[str] = []
    if conditions.waits_for(ThinkEndCondition):
        special = tokenizer.id_of(THINK_END)
        if special is None:
            texts.append(THINK_END)
        else:
            ids.add(special)
    texts += _texts(conditions)
    return Stops(tuple(sorted(ids)), tuple(dict.fromkeys(texts)))


def _texts(until: Until) -> Iterator[str]:
    for condition in until.conditions:
        if isinstance(condition, TextCondition):
            yield from condition.texts
    for condition in until.conditions:
        if isinstance(condition, CueCondition):
            # A word can go on behind a cue that ends in a letter: one more token is needed, and no server gives it.
            whole = condition.match == "word"
            yield from (cue for cue in condition.cues if not (whole and is_word_character(cue.rstrip()[-1:])))
