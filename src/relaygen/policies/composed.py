"""A policy together with the engines that its large model is to be wrapped in."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.policies.base import Policy, Steps


@dataclass(frozen=True, slots=True)
class Composed:
    """`policy`, with the large engine wrapped in `wrappers` from left to right, such as `speculative(k=4)`.

    The relay does the wrapping, when it runs the policy.
    """

    policy: Policy
    wrappers: tuple[str, ...]

    @property
    def name(self) -> str:
        return "+".join((self.policy.name, *self.wrappers))

    def run(self) -> Steps:
        return self.policy.run()
