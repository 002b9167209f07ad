"""The pair's engines as a policy wants them: `large+speculative` wraps the large one."""

from __future__ import annotations

from collections.abc import Mapping

from relaygen.engines import Engine, wrap_engine
from relaygen.policies import Composed, Policy, parse_spec
from relaygen.types import LARGE, SMALL, Role


class Wrapped:
    """Makes each combination once. Wrapped engines hold nothing of their own, so that they need no closing."""

    def __init__(self, engines: Mapping[Role, Engine]) -> None:
        self._made: dict[tuple[str, ...], Mapping[Role, Engine]] = {(): engines}

    def of(self, policy: Policy) -> Mapping[Role, Engine]:
        """The engines for `policy`. Raises UsageError when this pair can't be combined like that."""
        wrappers = policy.wrappers if isinstance(policy, Composed) else ()
        if wrappers not in self._made:
            engines = self._made[()]
            large = engines[LARGE]
            for wrapper in wrappers:
                name, options = parse_spec(wrapper)
                large = wrap_engine(name, large, engines[SMALL], options)
            self._made[wrappers] = {**engines, LARGE: large}
        return self._made[wrappers]
