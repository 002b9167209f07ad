"""The token ids that each model sees, and the incremental text of the completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relaygen.engines.base import Engine
from relaygen.tokenizer import Tokenizer
from relaygen.types import Role


class Context:
    """Prompt and completion as token ids, once for both models or, when their vocabularies differ, once for each.

    With one vocabulary ids are handed over as they are. With two, a model gets the other's text, re-encoded from a
    character boundary on; what it has seen before keeps its ids.
    """

    def __init__(self, engines: Mapping[Role, Engine], prompts: Mapping[Role, Sequence[int]]) -> None:
        self._tokenizers: dict[Role, Tokenizer] = {role: e.tokenizer for role, e in engines.items()}
        self.shared = len({t.fingerprint for t in self._tokenizers.values()}) == 1
        one = list(next(iter(prompts.values())))
        self._ids = {role: one if self.shared else list(prompts[role]) for role in engines}
        self._prompt_length = {role: len(ids) for role, ids in self._ids.items()}

    def ids(self, role: Role) -> list[int]:
        """What `role` sees, prompt included. Not a copy."""
        return self._ids[role]

    def position(self, role: Role) -> int:
        """How many completion tokens `role` sees."""
        return len(self._ids[role]) - self._prompt_length[role]

    def append(self, role: Role, ids: Sequence[int]) -> None:
        """Commits what `role` wrote (in its own vocabulary)."""
        self._ids[role].extend(ids)
        if not self.shared:
            text = self._tokenizers[role].decode(ids)
            for other, own in self._ids.items():
                if other is not role:
                    own.extend(self._tokenizers[other].encode(text))
