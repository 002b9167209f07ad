"""What a run is made of, and the header that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from relaygen.config import RelayConfig
from relaygen.engines import fingerprint
from relaygen.errors import UsageError
from relaygen.evals.environment import environment, now
from relaygen.evals.header import Extent, Header, Settings
from relaygen.evals.tasks import Task, create_tasks, load_samples
from relaygen.evals.types import Sample
from relaygen.policies import create_policy, parse_spec
from relaygen.policies.spec import split_spec
from relaygen.profile import Profile, load_profile
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run before any model is loaded."""

    config: RelayConfig
    references: tuple[str, ...]
    tasks: tuple[Task, ...]
    samples: tuple[Sample, ...]
    policies: tuple[str, ...]
    epochs: int = 1
    concurrency: int = 1
    margins: bool = True

    @property
    def generations(self) -> int:
        return len(self.samples) * len(self.policies) * self.epochs


def make_plan(
    config: RelayConfig,
    references: Sequence[str],
    policies: Sequence[str],
    *,
    samples: int | None = None,
    epochs: int = 1,
    concurrency: int = 1,
    margins: bool = True,
) -> Plan:
    """Reads the tasks. Raises UsageError for anything that can't be run, MissingExtra."""
    for name, value in (("epochs", epochs), ("concurrency", concurrency)):
        if value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}.")
    if not references or not policies:
        raise UsageError("An evaluation needs at least one task and one policy.")
    for spec in policies:
        create_policy(spec, load_profile("candidates"))  # a wrong name should not cost the loading of models
    tasks = create_tasks(references, config.sampling.seed)
    return Plan(
        config=config,
        references=tuple(references),
        tasks=tuple(tasks),
        samples=tuple(load_samples(tasks, samples)),
        policies=tuple(dict.fromkeys(policies)),
        epochs=epochs,
        concurrency=concurrency,
        margins=margins,
    )


def make_header(plan: Plan, relay: Relay) -> Header:
    """The first line of the plan's log."""
    config = plan.config
    sampling = asdict(config.sampling)
    settings = Settings(
        tasks=plan.references,
        samples_from={task.name: task.digest for task in plan.tasks},
        policies=plan.policies,
        models={LARGE.value: _model(config.large, relay, LARGE), SMALL.value: _model(config.small, relay, SMALL)},
        profile=_content(relay.profile),
        profiles=_profiles(plan.policies),
        sampling={name: value for name, value in sampling.items() if name != "seed"},
        seed=config.sampling.seed,
        max_tokens=config.max_tokens,
        stop=config.stop,
        thinking=config.thinking,
        margins=plan.margins,
        concurrency=plan.concurrency,
        failures={SMALL.value: config.on_small_failure, LARGE.value: config.on_large_failure},
        engine=asdict(config.engine),
    )
    extent = Extent(samples=len(plan.samples), epochs=plan.epochs)
    return Header(created=now(), settings=settings, extent=extent, environment=environment())


def _model(reference: str, relay: Relay, role: Role) -> dict[str, str]:
    engine = relay.engines[role]
    return {"reference": reference, "engine": engine.name, "fingerprint": fingerprint(engine)}


def _profiles(policies: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The profiles that policies bring themselves: `relaygen(profile="pair.toml")`."""
    options = [parse_spec(split_spec(spec)[0])[1] for spec in policies]
    return {str(o["profile"]): _content(load_profile(str(o["profile"]))) for o in options if "profile" in o}


def _content(profile: Profile) -> dict[str, Any]:
    return profile.model_dump(mode="json", exclude={"evidence"})
