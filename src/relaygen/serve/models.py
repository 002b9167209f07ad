"""Model names: each one is a policy."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from math import isfinite

from relaygen.errors import UsageError
from relaygen.policies import Composed, Policy, create_policy, policy_summaries
from relaygen.relay import Relay
from relaygen.serve.failures import Refusal

MOST = 1 << 31  # of anything that is counted
ALONE = {"large": "the large model alone", "small": "the small model alone"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a model name stands for. `label` is the name without options, for metrics."""

    name: str
    label: str
    policy: Policy


def names(relay: Relay) -> dict[str, str]:
    """The names to list, and what each does, in one line. Policies can also be given options in the name."""
    listed = {"relay": f"this gateway's policy, {relay.policy.name}", **ALONE}
    return listed | {f"relay:{name}": summary for name, summary in policy_summaries().items() if name not in ALONE}


def choose(relay: Relay, name: str) -> Chosen:
    """The policy behind `relay`, `relay:<policy>`, `large` or `small`. Raises Refusal (404) for any other name."""
    head, colon, spec = name.partition(":")
    if name == "relay":
        return Chosen(name, name, relay.policy)
    if name not in ALONE and not (head == "relay" and colon):
        raise _unknown(f"There is no model {name!r}; there are relay, relay:<policy>, large and small.")
    try:
        policy = create_policy(spec or name, relay.profile)
        check_options(policy)
    except UsageError as error:
        raise _unknown(str(error)) from error
    return Chosen(name, name if name in ALONE else f"relay:{spec.partition('(')[0].strip()}", policy)


def whole(relay: Relay, name: str) -> Chosen:
    """The large model alone, for what can't be relayed."""
    return Chosen(name, "large", create_policy("large", relay.profile))


def check_options(policy: Policy) -> None:
    """Raises UsageError when an option is of another kind than its default, or a length is not positive.

    On the command line a wrong one fails for who wrote it; here it would look like a failure of the gateway.
    """
    if isinstance(policy, Composed):
        check_options(policy.policy)
    options: object = policy  # a Protocol is never a dataclass to mypy
    if not is_dataclass(options):
        return
    for field in fields(options):
        value = getattr(policy, field.name)
        if field.default is not MISSING and value != field.default and not _fits(field.name, value, field.default):
            raise UsageError(f"The policy {policy.name!r} can't take {value!r} for {field.name}.")


def _fits(name: str, value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple | list) and all(isinstance(part, str) for part in value)
    if isinstance(default, bool | str):
        return type(value) is type(default) and name != "name"
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return False
    return isinstance(default, float) or (isinstance(value, int) and name.startswith("max_") <= value <= MOST)


def _unknown(sentence: str) -> Refusal:
    return Refusal(404, sentence, param="model", code="model_not_found")
