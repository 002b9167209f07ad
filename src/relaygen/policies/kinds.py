"""Options of a policy that are of the wrong kind, found when it is built and not in the middle of a generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any

# What the default of an option is, what is as good, and how to say it.
KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "True or False"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}


def check_names(policy: type, options: Mapping[str, Any]) -> None:
    """Raises ValueError when the policy, a dataclass, has no option of one of these names."""
    known = [field.name for field in fields(policy) if field.name not in ("name", "profile")]
    for name in options:
        if name not in known:
            raise ValueError(f"there is no option {name}; it has {', '.join(known) or 'none'}")


def check_kinds(policy: object, options: Mapping[str, Any]) -> None:
    """Raises ValueError when one of these options is not of the kind of its default in `policy`, a dataclass or one
    made; others are taken as they are."""
    if not is_dataclass(policy):
        return
    for field in fields(policy):
        allowed, words = _kind(field)
        if field.name not in options:
            continue
        value = options[field.name]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise ValueError(f"{field.name} must be {words}, not {value!r}")


def _kind(field: Field[Any]) -> tuple[tuple[type, ...], str]:
    """What an option may be. Where something else decides when nobody does, its default is None and its type tells."""
    if field.default is None:
        for kind in (bool, float):
            if kind.__name__ in str(field.type):
                return (*KINDS[kind][0], type(None)), KINDS[kind][1]
    return KINDS.get(type(field.default), ((object,), ""))


def at_least(least: int, **options: int) -> None:
    """Raises ValueError when one of the options is below `least`."""
    for name, value in options.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")


def from_0_to_1(**options: float) -> None:
    """Raises ValueError when one of the options is below 0 or above 1."""
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, not {value}")
