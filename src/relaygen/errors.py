"""Every error that RelayGen raises on purpose.

RelayError
├── UsageError          what the user asked for can't be done; one sentence, exit code 2
│   ├── ProfileError    a profile that is broken or belongs to another pair
│   ├── ModelError      a model folder or tokenizer that can't be loaded
│   └── ContextError    the prompt does not fit the context of a model
├── MissingExtra        an optional dependency is not installed; names the extra
├── ScoringError        a scorer crashed or ran out of time; nothing is known about the answer
└── EngineError         an engine failed while it was working; carries the partial trace

ProfileWarning is the one thing that is only warned of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relaygen.types import Trace


class RelayError(Exception):
    """Base of all errors raised on purpose."""


class UsageError(RelayError):
    """What was asked for can't be done. The message says what was got, what is supported and what to do."""


class ProfileError(UsageError):
    """A profile can't be read, or was calibrated for another pair."""


class ProfileWarning(UserWarning):
    """A profile was calibrated for another pair: it works, but nobody measured that its cues fit."""


class ModelError(UsageError):
    """A model folder, its tokenizer or its chat template can't be used."""


class ContextError(UsageError):
    """The prompt leaves no room in the context of a model."""


class MissingExtra(RelayError):
    """An optional dependency is missing; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"This needs the package {package!r}: install it with  pip install 'relaygen[{extra}]'")


class ScoringError(RelayError):
    """A scorer crashed or ran out of time: the answer is neither right nor wrong."""


class EngineError(RelayError):
    """An engine failed while it was working.

    `trace` holds what had been committed by then; `model` says which one it was, once the relay has seen the error.
    """

    trace: Trace | None = None
    model: str = ""

    def __str__(self) -> str:
        message = super().__str__()
        return f"{self.model} failed: {message}" if self.model else message

    @property
    def public(self) -> str:
        """One sentence for people who should not learn what stands behind a gateway."""
        return f"{self.model or 'The generation'} failed."
