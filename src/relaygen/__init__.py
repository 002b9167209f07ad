"""One answer, two models: a large reasoning model keeps the hard stretches, a small one writes the rest.

from relaygen import Relay

with Relay.open() as relay:
    trace = relay.generate("What is 17 * 23?")
    print(trace.text, trace.large_share)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relaygen.profile import Profile
    from relaygen.relay import Options, Relay
    from relaygen.types import Ended, Finished, Sampling, Segment, Trace, Written

__all__ = ["Ended", "Finished", "Options", "Profile", "Relay", "Sampling", "Segment", "Trace", "Written", "__version__"]
__version__ = "0.1.0"

_HOMES = {"Relay": "relay", "Options": "relay", "Profile": "profile"}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first asked for, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'relaygen' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"relaygen.{_HOMES.get(name, 'types')}"), name)
