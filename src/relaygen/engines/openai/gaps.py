"""Ids that llama.cpp's stream leaves out, found again.

A token that ends inside a character is generated but not streamed. The event behind it says how many tokens there are
by now, and its text holds the bytes of all of them. Mostly just one sequence of tokens spells these bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from relaygen.tokenizer import Tokenizer

LONGEST = 64  # bytes within which missing tokens are looked for; a character has four


class Gap(Exception):
    """Ids are missing, and the text does not say which."""


class Gaps:
    """Watches one stream. `shown` are special tokens that the server prints; it hides the others."""

    def __init__(self, tokenizer: Tokenizer, shown: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._shown = set(shown)
        self._count = 0
        self._held = b""  # bytes of known tokens whose text has not come yet: it may be part of a stop text
        self._aligned = True

    def lost(self, id: int, text: str, count: int) -> tuple[int, ...]:
        """The ids between the last event's token and this one's, `count` tokens into the stream.

        Raises Gap when they can't be told.
        """
        missing = count - self._count - 1
        self._count = count
        found = self._between(id, text.encode(), missing) if missing > 0 else ()
        for each in (*found, id):
            self._held += self._printed(each)
        sent = text.encode()
        self._aligned = self._aligned and self._held.startswith(sent)
        self._held = self._held[len(sent) :]
        return found

    def _between(self, id: int, sent: bytes, missing: int) -> tuple[int, ...]:
        last = self._printed(id)
        if not (self._aligned and sent.startswith(self._held) and sent.endswith(last)):
            raise Gap
        middle = sent[len(self._held) : len(sent) - len(last)]
        found = spellings(self._tokenizer, middle, missing) if 0 < len(middle) <= LONGEST else []
        if len(found) != 1:
            raise Gap
        return found[0]

    def _printed(self, id: int) -> bytes:
        piece = self._tokenizer.piece(id)
        hidden = id in self._tokenizer.special_ids and piece.decode("utf-8", "replace") not in self._shown
        return b"" if hidden else piece


def spellings(tokenizer: Tokenizer, text: bytes, count: int) -> list[tuple[int, ...]]:
    """Up to two sequences of `count` ordinary tokens that spell `text`; more would not help."""
    wanted = {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    ids: dict[bytes, list[int]] = {}
    for id in range(tokenizer.vocab_size):
        if (piece := tokenizer.piece(id)) in wanted and id not in tokenizer.special_ids:
            ids.setdefault(piece, []).append(id)

    def search(rest: bytes, left: int) -> list[tuple[int, ...]]:
        if not rest or not left:
            return [()] if not rest and not left else []
        found: list[tuple[int, ...]] = []
        for length in range(1, len(rest) + 1):
            for id in ids.get(rest[:length], ()):
                found += [(id, *others) for others in search(rest[length:], left - 1)]
                if len(found) > 1:
                    return found[:2]
        return found

    return search(text, count)
