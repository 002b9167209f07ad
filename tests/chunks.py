"""Tokens of any shape: a vocabulary made of the pieces of one text, wherever it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from relaygen.tokenizer import Tokenizer
from relaygen.types import Candidate, Token
from relaygen.until import Fired, Matcher, Until

THINK = "</think>"


class ChunkTokenizer(Tokenizer):
    """Token i is the i-th piece. `specials` are pieces that count as special tokens."""

    def __init__(self, pieces: Sequence[bytes], specials: Iterable[str] = (THINK,)) -> None:
        self._chunks = list(pieces)
        self._special_texts = {text.encode() for text in specials}
        self.eos_ids = frozenset()

    def piece(self, id: int) -> bytes:
        return self._chunks[id]

    def id_of(self, text: str) -> int | None:
        piece = text.encode()
        return self._chunks.index(piece) if piece in self._special_texts and piece in self._chunks else None

    @cached_property
    def special_ids(self) -> frozenset[int]:
        return frozenset(i for i, piece in enumerate(self._chunks) if piece in self._special_texts)


class Cut(NamedTuple):
    """Where a matcher ended a segment: the tokens that were fed, the pieces that stay, and what fired."""

    fed: int
    kept: int
    fired: Fired | None
    pieces: Sequence[bytes]

    @property
    def text(self) -> str:
        """The characters of the pieces that stay; parts of a character are left out."""
        return b"".join(self.pieces[: self.kept]).decode(errors="ignore")

    @property
    def given_back(self) -> str:
        return b"".join(self.pieces[self.kept : self.fed]).decode(errors="replace")


def cut(
    until: Until, pieces: Sequence[str | bytes], *, before: str = "", min_tokens: int = 0, margins: Sequence[float] = ()
) -> Cut:
    """Feeds the pieces, one token each, until something fires."""
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    matcher = Matcher(until, ChunkTokenizer(raw), before=before, min_tokens=min_tokens)
    for i in range(len(raw)):
        if matcher.feed(token(i, margins[i]) if margins else Token(i)):
            assert matcher.fired
            return Cut(i + 1, i + 1 - matcher.fired.give_back, matcher.fired, raw)
    return Cut(len(raw), len(raw), None, raw)


def token(id: int, margin: float) -> Token:
    """A token whose two best candidates are `margin` apart."""
    from math import log

    first, second = (1 + margin) / 2, max((1 - margin) / 2, 1e-12)
    return Token(id, log(first), (Candidate(id, log(first)), Candidate(id + 1, log(second))))


def why(until: Until, *pieces: str, before: str = "", min_tokens: int = 0) -> str | None:
    """What fired, in words; None when nothing did."""
    fired = cut(until, pieces, before=before, min_tokens=min_tokens).fired
    return fired.why if fired else None


@st.composite
def chunked(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[bytes]:
    """The bytes of a text, cut anywhere: within words, within characters, with tokens that have no text at all."""
    text = draw(texts).encode()
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=len(text) + 2))
    return [text[a:b] for a, b in pairwise([0, *sorted(cuts), len(text)])]


def characters(text: str) -> list[bytes]:
    """One token for each character."""
    return [character.encode() for character in text]
