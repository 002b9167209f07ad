"""Policies of other packages: entry points of the group `relaygen.policies`, each a callable (profile, **options)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from relaygen.errors import UsageError

GROUP = "relaygen.policies"


def plugin_names() -> list[str]:
    """The names of the installed ones. Imports none of them."""
    return sorted(point.name for point in entry_points(group=GROUP))


def load_plugin(name: str) -> Callable[..., Any]:
    """The factory behind a name. Raises UsageError when it can't be imported or two packages claim the name."""
    points = list(entry_points(group=GROUP, name=name))
    if len(points) != 1:
        raise UsageError(f"{len(points)} installed packages bring a policy {name!r}: {_packages(points)}.")
    try:
        factory: Callable[..., Any] = points[0].load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"The policy {name!r} of {_packages(points)} can't be loaded: {error}.") from error
    return factory


def plugin_summary(name: str) -> str:
    """The first line of what the factory says about itself, and the package that it comes from."""
    try:
        factory = load_plugin(name)
    except UsageError as error:
        return str(error)
    first = (factory.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    origin = f"from {_packages(list(entry_points(group=GROUP, name=name)))}"
    return f"{first} ({origin})" if first else origin


def _packages(points: list[EntryPoint]) -> str:
    return ", ".join(point.dist.name if point.dist else point.value for point in points)
