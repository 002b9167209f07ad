"""The pair's engines as a policy wants them: `large+speculative` wraps the large one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from relaygen.engines import Engine, wrap_engine
from relaygen.policies import Composed, Policy, parse_spec
from relaygen.types import LARGE, SMALL, Role

KEPT = 8  # combinations; clients of a gateway can think of any number


class Wrapped:
    """Makes each combination once and keeps those that were used last. Wrapped engines hold nothing of their own, so
    that they need no closing."""

    def __init__(self, engines: Mapping[Role, Engine]) -> None:
        self._engines = engines
        self._made: OrderedDict[tuple[str, ...], Mapping[Role, Engine]] = OrderedDict()

    def of(self, policy: Policy) -> Mapping[Role, Engine]:
        """The engines for `policy`. Raises UsageError when this pair can't be combined like that."""
        wrappers = policy.wrappers if isinstance(policy, Composed) else ()
        if not wrappers:
            return self._engines
        found = self._made.pop(wrappers, None) or self._wrap(wrappers)
        self._made[wrappers] = found
        if len(self._made) > KEPT:
            self._made.popitem(last=False)
        return found

    def _wrap(self, wrappers: tuple[str, ...]) -> Mapping[Role, Engine]:
        large = self._engines[LARGE]
        for wrapper in wrappers:
            name, options = parse_spec(wrapper)
            large = wrap_engine(name, large, self._engines[SMALL], options)
        return {**self._engines, LARGE: large}
