"""Model names: each one is a policy."""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.errors import UsageError
from relaygen.policies import Policy, create_policy, policy_summaries
from relaygen.policies.spec import parse_spec, split_spec
from relaygen.profile import shipped
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
        check_spec(spec or name)
        policy = create_policy(spec or name, relay.profile)
    except UsageError as error:
        raise _unknown(str(error)) from error
    return Chosen(name, name if name in ALONE else f"relay:{spec.partition('(')[0].strip()}", policy)


def whole(relay: Relay, name: str) -> Chosen:
    """The large model alone, for what can't be relayed."""
    return Chosen(name, "large", create_policy("large", relay.profile))


def check_spec(spec: str) -> None:
    """Raises UsageError for options that a stranger must not give, though they are fine on the command line.

    A profile or a router could be any file of this machine. A list of something else than texts, or a number beyond
    reason, would fail in the middle of a generation and look like a failure of the gateway.
    """
    for part in split_spec(spec):
        name, options = parse_spec(part)
        for option, value in options.items():
            foreign = (option == "profile" and value not in shipped()) or option == "router"
            if option == "name" or foreign or not _is_plain(value):
                raise UsageError(f"A request can't give {name} the option {option}={value!r}.")


def _is_plain(value: object) -> bool:
    """Whether it is a text, several texts, a truth value, or a number that is neither negative nor huge."""
    if isinstance(value, tuple | list | set):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, str) or (isinstance(value, int | float) and 0 <= value <= MOST)


def _unknown(sentence: str) -> Refusal:
    return Refusal(404, sentence, param="model", code="model_not_found")
