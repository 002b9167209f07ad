"""A vocabulary for servers that do not say what their tokens are: it learns each piece of text that comes along."""

from __future__ import annotations

import copy
import re
from functools import cached_property
from threading import Lock
from uuid import uuid4

from relaygen.engines.scripted import SPECIALS, byte_tokenizer
from relaygen.tokenizer import Tokenizer

LARGEST = 1 << 20  # pieces; after that text is spelled byte by byte
WORD = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")


class WordTokenizer(Tokenizer):
    """Ids are this object's own, hence never shared with another model. Counts of tokens are those of text pieces:
    what a server sends in one event counts as one token, a prompt counts its words."""

    def __init__(self) -> None:
        base = byte_tokenizer()
        super().__init__(base._backend.to_str(), eos_ids=base.eos_ids)
        self._known: dict[bytes, int] = {}
        self._lock = Lock()  # prompts are encoded in other threads than the event loop's

    def encode(self, text: str) -> list[int]:
        """Ids of the words of a text; the two thinking tags are tokens."""
        ids: list[int] = []
        for part in SPLIT.split(text):
            special = self.id_of(part) if part in SPECIALS else None
            words = WORD.findall(part) if special is None else ()
            ids += [special] if special is not None else [id for word in words for id in self.learn(word)]
        return ids

    def learn(self, text: str) -> list[int]:
        """One id for a piece of text."""
        piece = text.encode()
        if piece not in self._known and len(self._pieces) >= LARGEST:
            return super().encode(text)
        with self._lock:
            if piece not in self._known:
                self._known[piece] = len(self._pieces)
                self._pieces.append(piece)
        return [self._known[piece]]

    @cached_property
    def fingerprint(self) -> str:
        """Like no other's."""
        return uuid4().hex


def apart(tokenizer: Tokenizer) -> Tokenizer:
    """The same vocabulary, but not to be taken for that of another model: ids that were made from a server's text are
    not the ids that it wrote, and must reach the other model as text, in whole characters."""
    own = copy.copy(tokenizer)
    vars(own)["fingerprint"] = uuid4().hex
    return own


SPLIT = re.compile(f"({'|'.join(map(re.escape, SPECIALS))})")


class TextTokens:
    """Turns pieces of streamed text into ids. A special token's text may come in several pieces; it is held back
    until it is clear."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._specials = tuple(text for id in tokenizer.special_ids if (text := tokenizer.decode([id])))
        self._held = ""

    def feed(self, text: str) -> list[int]:
        """The ids that are clear by now."""
        self._held += text
        clear = len(self._held) - self._doubtful()
        ready, self._held = self._held[:clear], self._held[clear:]
        return self._ids(ready)

    def flush(self) -> list[int]:
        """What is left at the end."""
        ready, self._held = self._held, ""
        return self._ids(ready)

    def _doubtful(self) -> int:
        """Length of the end of the text that may become a special token."""
        longest = max(map(len, self._specials), default=0)
        tails = (n for n in range(min(longest - 1, len(self._held)), 0, -1))
        return next((n for n in tails if any(s.startswith(self._held[-n:]) for s in self._specials)), 0)

    def _ids(self, text: str) -> list[int]:
        plain = not any(special in text for special in self._specials)
        if text and plain and isinstance(self._tokenizer, WordTokenizer):
            return self._tokenizer.learn(text)
        return self._tokenizer.encode(text)
