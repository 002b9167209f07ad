"""Policies by name. `create_policy("random(share=0.7)")`; adding one is a file and a line in `_FACTORIES`.

A name may say what the large engine is wrapped in: `relaygen+speculative(k=4)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from relaygen.errors import UsageError
from relaygen.policies.base import Ask, Asked, Commit, Draft, Drafted, Insert, Instruction, Policy, Read, Steps, Write
from relaygen.policies.composed import Composed
from relaygen.policies.kinds import check_kinds, check_names
from relaygen.policies.plugins import load_plugin, plugin_names, plugin_summary
from relaygen.policies.spec import parse_spec, split_spec
from relaygen.profile import Profile, load_profile
from relaygen.types import LARGE, SMALL

__all__ = [
    "Ask",
    "Asked",
    "Commit",
    "Composed",
    "Draft",
    "Drafted",
    "Insert",
    "Instruction",
    "Policy",
    "Read",
    "Steps",
    "Write",
    "create_policy",
    "parse_spec",
    "policy_names",
    "policy_summaries",
    "wrapper_summaries",
]

Factory = Callable[..., Policy]


def _large(profile: Profile) -> Policy:
    from relaygen.policies.single import Single

    return Single(LARGE)


def _small(profile: Profile) -> Policy:
    from relaygen.policies.single import Single

    return Single(SMALL)


def _lazy(module: str, name: str, *, profile: bool = False) -> Factory:
    """A factory that imports the class when it is first used; `profile` says whether the class takes one.

    Such a policy can bring its own, `relaygen(profile="pair.toml")`, so that profiles can be compared in one run.
    """

    def build(given: Profile, **options: Any) -> Policy:
        if profile and "profile" in options:
            given = load_profile(str(options.pop("profile")))
        policy = getattr(import_module(f"relaygen.policies.{module}"), name)
        check_names(policy, options)
        check_kinds(policy, options)
        made: Policy = policy(given, **options) if profile else policy(**options)
        return made

    return build


_FACTORIES: dict[str, tuple[Factory, str]] = {
    "relaygen": (
        _lazy("relaygen", "RelayGen", profile=True),
        "large reasons, small takes over at cues and answers",
    ),
    "guarded": (
        _lazy("guarded", "Guarded", profile=True),
        "relaygen; large rewrites the words small is unsure of",
    ),
    "deferral": (_lazy("deferral", "Deferral"), "small reasons, large helps where small is unsure"),
    "large": (_large, "the large model alone"),
    "small": (_small, "the small model alone"),
    "answer-only": (_lazy("single", "AnswerOnly"), "large reasons, small writes the answer"),
    "random": (
        _lazy("chance", "Random"),
        "a control: a coin decides at every sentence",
    ),
    "speculative-thinking": (
        _lazy("speculative_thinking", "SpeculativeThinking"),
        "small reasons, large takes over at words of doubt",
    ),
    "specreason": (
        _lazy("specreason", "SpecReason"),
        "small reasons, large rewrites steps it finds wanting",
    ),
    "entropy-first": (
        _lazy("entropy_first", "EntropyFirst", profile=True),
        "small's certainty at a step's start decides who writes",
    ),
}
# Made by relaygen.engines.wrap_engine, which policies may not know.
_WRAPPERS = {
    "speculative": "small drafts up to k=8 tokens, large verifies them",
    "routed": "R2R: small writes, a router gives tokens to large",
}


def policy_names() -> list[str]:
    """The names that `create_policy` knows, those of other packages included."""
    return list(dict.fromkeys([*_FACTORIES, *plugin_names()]))


def policy_summaries() -> dict[str, str]:
    """Each policy's name and what it does, in one line."""
    return {name: _FACTORIES[name][1] if name in _FACTORIES else plugin_summary(name) for name in policy_names()}


def wrapper_summaries() -> dict[str, str]:
    """What can be put behind a policy with `+`, and what it does to the large engine, in one line."""
    return dict(_WRAPPERS)


def create_policy(spec: str, profile: Profile) -> Policy:
    """Builds a policy from `name`, `name(option=value, …)` or one of these with `+wrapper(…)` behind it.

    Raises UsageError for an unknown name, an unknown option or a value that the policy refuses. The options of a
    wrapper are checked by the relay, which knows the engines.
    """
    policy, *wrappers = split_spec(spec)
    for wrapper in wrappers:
        name, _ = parse_spec(wrapper)
        if name not in _WRAPPERS:
            raise UsageError(f"{name!r} can't stand behind a +; what can is {', '.join(_WRAPPERS)}.")
    made = _create(policy, profile)
    return Composed(made, tuple(wrappers)) if wrappers else made


def _create(spec: str, profile: Profile) -> Policy:
    name, options = parse_spec(spec)
    # A name of ours is ours, whoever else claims it.
    if name in _WRAPPERS and name not in plugin_names():
        raise UsageError(f"{name} stands behind a policy, for example large+{name}.")
    if name not in _FACTORIES and name not in plugin_names():
        raise UsageError(f"There is no policy {name!r}; there are {', '.join(policy_names())}.")
    factory = _FACTORIES[name][0] if name in _FACTORIES else load_plugin(name)
    try:
        made = factory(profile, **options)
        check_kinds(made, options)
        return made
    except (TypeError, ValueError) as error:
        reason = re.sub(r"^.*?__init__\(\)|^_\w+\(\)", name, str(error))
        raise UsageError(f"The policy {spec!r} can't be built: {reason}.") from error
