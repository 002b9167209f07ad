"""Policies by name. `create_policy("random(share=0.7)")`; adding one is a file and a line in `_FACTORIES`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from relaygen.errors import UsageError
from relaygen.policies.base import Ask, Commit, Draft, Drafted, Insert, Instruction, Policy, Steps, Write
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL

__all__ = [
    "Ask",
    "Commit",
    "Draft",
    "Drafted",
    "Insert",
    "Instruction",
    "Policy",
    "Steps",
    "Write",
    "create_policy",
    "policy_names",
    "policy_summaries",
]

Factory = Callable[..., Policy]
SPEC = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\((.*)\))?\s*", re.DOTALL)


def _relaygen(profile: Profile, **options: Any) -> Policy:
    from relaygen.policies.relaygen import RelayGen

    return RelayGen(profile, **options)


def _large(profile: Profile) -> Policy:
    from relaygen.policies.single import Single

    return Single(LARGE)


def _small(profile: Profile) -> Policy:
    from relaygen.policies.single import Single

    return Single(SMALL)


def _answer_only(profile: Profile) -> Policy:
    from relaygen.policies.single import AnswerOnly

    return AnswerOnly()


def _random(profile: Profile, **options: Any) -> Policy:
    from relaygen.policies.chance import Random

    return Random(**options)


_FACTORIES: dict[str, tuple[Factory, str]] = {
    "relaygen": (_relaygen, "large reasons; small takes over at switch cues, and writes the answer"),
    "large": (_large, "the large model alone"),
    "small": (_small, "the small model alone"),
    "answer-only": (_answer_only, "large reasons, small writes the answer"),
    "random": (_random, "a control: a coin decides at every sentence; random(share=0.7) aims at a large share"),
}


def policy_names() -> list[str]:
    """The names that `create_policy` knows."""
    return list(_FACTORIES)


def policy_summaries() -> dict[str, str]:
    """Each policy's name and what it does, in one line."""
    return {name: summary for name, (_, summary) in _FACTORIES.items()}


def create_policy(spec: str, profile: Profile) -> Policy:
    """Builds a policy from `name` or `name(option=value, …)`.

    Raises UsageError for an unknown name, an unknown option or a value that the policy refuses.
    """
    name, options = parse_spec(spec)
    if name not in _FACTORIES:
        raise UsageError(f"There is no policy {name!r}; there are {', '.join(policy_names())}.")
    try:
        return _FACTORIES[name][0](profile, **options)
    except (TypeError, ValueError) as error:
        reason = re.sub(r"^.*?__init__\(\)|^_\w+\(\)", name, str(error))
        raise UsageError(f"The policy {spec!r} can't be built: {reason}.") from error


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Splits `name(option=value, …)`; values are Python literals, bare words are text."""
    found = SPEC.fullmatch(spec)
    if not found:
        raise UsageError(f"{spec!r} is not a policy; write it like relaygen or random(share=0.7).")
    options: dict[str, Any] = {}
    for part in filter(str.strip, (found[2] or "").split(",")):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise UsageError(f"{part.strip()!r} in {spec!r} is not an option; write option=value.")
        options[key] = _literal(value)
    return found[1], options


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
