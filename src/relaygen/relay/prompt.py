"""What a generation starts from: a conversation or a text, in the ids of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relaygen.engines import Engine
from relaygen.errors import UsageError
from relaygen.types import LARGE, Role

OPENING, CLOSING = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in the ids of each model. `thinking` says whether a reasoning stage is to come; None: look and see."""

    ids: Mapping[Role, Sequence[int]]
    thinking: bool | None = None


def encoded(engines: Mapping[Role, Engine], text: str, thinking: bool | None = None) -> Prompt:
    """The text in the ids of each model; encoded once where both have one vocabulary."""
    known: dict[str, list[int]] = {}
    for tokenizer in (engine.tokenizer for engine in engines.values()):
        if tokenizer.fingerprint not in known:
            known[tokenizer.fingerprint] = tokenizer.encode(text)
    return Prompt({role: known[engine.tokenizer.fingerprint] for role, engine in engines.items()}, thinking)


def raw(engines: Mapping[Role, Engine], source: str | Sequence[int]) -> Prompt:
    """A text, or ids of the large model, to be continued as it stands.

    It has a reasoning stage only when it opens one. Raises UsageError when it is empty, not Unicode, or has an id that
    is not in the vocabulary.
    """
    if not source:
        raise UsageError("The prompt is empty; at least one token is needed.")
    tokenizer = engines[LARGE].tokenizer
    if isinstance(source, str):
        return encoded(engines, source, _opens_thinking(source))
    if wrong := [id for id in source if not 0 <= id < tokenizer.vocab_size]:
        raise UsageError(f"The prompt has the token id {wrong[0]}, but the vocabulary ends at {tokenizer.vocab_size}.")
    text = tokenizer.decode(source)
    return Prompt({**encoded(engines, text).ids, **_same(engines, source)}, _opens_thinking(text))


def _same(engines: Mapping[Role, Engine], ids: Sequence[int]) -> dict[Role, Sequence[int]]:
    """The ids as they are, for the models that have the large one's vocabulary."""
    mine = engines[LARGE].tokenizer.fingerprint
    return {role: list(ids) for role, engine in engines.items() if engine.tokenizer.fingerprint == mine}


def _opens_thinking(text: str) -> bool:
    return text.rfind(OPENING) > text.rfind(CLOSING)
