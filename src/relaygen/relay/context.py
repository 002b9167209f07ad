"""The token ids that each model sees, and how many of them belong to the completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relaygen.engines.base import Engine
from relaygen.errors import ContextError
from relaygen.tokenizer import Tokenizer
from relaygen.types import Role


class Context:
    """Prompt and completion as token ids, once for both models or, when their vocabularies differ, once for each.

    With one vocabulary ids are handed over as they are. With two, a model gets the other's text, re-encoded from a
    character boundary on; what it has seen before keeps its ids.
    """

    def __init__(self, engines: Mapping[Role, Engine], prompts: Mapping[Role, Sequence[int]]) -> None:
        """Raises ContextError when the prompt leaves a model no room for a single token."""
        self._engines = engines
        self._tokenizers: dict[Role, Tokenizer] = {role: e.tokenizer for role, e in engines.items()}
        self.shared = len({t.fingerprint for t in self._tokenizers.values()}) == 1
        one = list(next(iter(prompts.values())))
        self._ids = {role: one if self.shared else list(prompts[role]) for role in engines}
        self._prompt_length = {role: len(ids) for role, ids in self._ids.items()}
        self._eos = {role: self._endings(role) for role in engines}
        for role in engines:
            self._check(role)

    def ids(self, role: Role) -> list[int]:
        """What `role` sees, prompt included. Not a copy."""
        return self._ids[role]

    def position(self, role: Role) -> int:
        """How many completion tokens `role` sees."""
        return len(self._ids[role]) - self._prompt_length[role]

    def room(self, role: Role) -> int:
        """How many tokens `role` can take on top of these; may be negative when the vocabularies differ."""
        return self._engines[role].context - len(self._ids[role])

    def eos(self, role: Role) -> frozenset[int]:
        """The ids of `role` that end a sequence: its own, and the other model's where it has them."""
        return self._eos[role]

    def append(self, role: Role, ids: Sequence[int]) -> None:
        """Commits what `role` wrote (in its own vocabulary, whole characters when the vocabularies differ)."""
        self._ids[role].extend(ids)
        if not self.shared:
            text = self._tokenizers[role].decode(ids)
            for other, own in self._ids.items():
                if other is not role:
                    own.extend(self._tokenizers[other].encode(text))

    def ahead(self, role: Role, writer: Role, ids: Sequence[int]) -> list[int]:
        """What `role` will see once `writer`'s `ids` are committed, as far as that can be told while it still writes.

        With two vocabularies the last word is left out: how it is encoded depends on its end.
        """
        if self.shared:
            return [*self._ids[role], *ids]
        text = self._tokenizers[writer].decode(ids)
        return self._ids[role] + self._tokenizers[role].encode(text[: max(text.rfind(" "), 0)])

    def _check(self, role: Role) -> None:
        if self.room(role) < 1:
            engine = self._engines[role]
            raise ContextError(
                f"The prompt has {len(self._ids[role])} tokens, but {engine.name} has a context of {engine.context}: "
                "shorten the prompt or give the model more context."
            )

    def _endings(self, role: Role) -> frozenset[int]:
        if self.shared:
            return frozenset().union(*(t.eos_ids for t in self._tokenizers.values()))
        own = self._tokenizers[role]
        texts = (t.decode([id]) for t in self._tokenizers.values() for id in t.eos_ids)
        return own.eos_ids | {id for text in texts if (id := own.id_of(text)) is not None}
