"""Policies by name: ours, combined ones, and those of other packages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from relaygen import engines
from relaygen.errors import UsageError
from relaygen.policies import Composed, create_policy, plugins, policy_names, policy_summaries, wrapper_summaries
from relaygen.policies.base import Steps, Write
from relaygen.policies.guarded import Guarded
from relaygen.profile import Profile
from relaygen.types import LARGE

PROFILE = Profile(name="test", cues=("Thus",))


@dataclass(frozen=True, slots=True)
class Alternate:
    """Large writes `n` tokens.

    More about it.
    """

    profile: Profile
    n: int = 3
    name: str = "alternate"

    def run(self) -> Steps:
        yield Write(LARGE, max_tokens=self.n)


def silent(profile: Profile, **options: Any) -> Alternate:
    return Alternate(profile, **options)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"alternate": "Alternate", "silent": "silent", "broken": "nowhere", "large": "Alternate"}
    points = [EntryPoint(name, f"{__name__}:{value}", plugins.GROUP) for name, value in installed.items()]
    points.append(EntryPoint("twice", f"{__name__}:silent", plugins.GROUP))
    points.append(EntryPoint("twice", f"{__name__}:Alternate", plugins.GROUP))
    monkeypatch.setattr(plugins, "entry_points", lambda **chosen: EntryPoints(points).select(**chosen))
    monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr] if point.attr != "nowhere" else fail())


def fail() -> None:
    raise ImportError("no such module")


@pytest.mark.parametrize("name", policy_names())
def test_every_listed_name_can_be_built_and_has_one_line(name: str) -> None:
    assert create_policy(name, PROFILE).name == name
    summary = policy_summaries()[name]
    assert 10 < len(summary) < 80
    assert "\n" not in summary


def test_options_reach_the_policy() -> None:
    assert create_policy("guarded(threshold=0.2, window=7)", PROFILE) == Guarded(PROFILE, threshold=0.2, window=7)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("nothing", "no policy 'nothing'; there are relaygen"),
        ("specreason(threshold=11)", "between 0 and 9"),
        ("specreason(treshold=7)", "there is no option treshold; it has threshold, max_step"),
        ("guarded(threshold=high)", "threshold must be a number, not 'high'"),
        ("answer-only(k=1)", "no option k; it has none"),
        ("speculative(k=4)", "for example large.speculative"),
        ("large(k=1)", "unexpected keyword argument"),
        ("large+nothing", "'nothing' can't stand behind"),
        ("large+", "is not a policy"),
    ],
)
def test_what_can_not_be_built_is_one_sentence(spec: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        create_policy(spec, PROFILE)


def test_a_combined_policy_runs_as_the_policy_and_is_named_in_full() -> None:
    policy = create_policy("large + speculative(k=4)", PROFILE)
    assert policy == Composed(create_policy("large", PROFILE), ("speculative(k=4)",))
    assert policy.name == "large+speculative(k=4)"
    assert next(policy.run()) == Write(LARGE)


def test_what_may_stand_behind_a_plus_is_what_engines_can_be_wrapped_in() -> None:
    assert set(wrapper_summaries()) == set(engines._WRAPPERS)


@pytest.mark.usefixtures("plugin")
def test_other_packages_bring_policies() -> None:
    assert create_policy("alternate(n=5)", PROFILE) == Alternate(PROFILE, 5)
    summaries = policy_summaries()
    assert summaries["alternate"].startswith("Large writes `n` tokens (from")
    assert summaries["silent"].startswith("from ")
    assert "can't be loaded: no such module" in summaries["broken"]


@pytest.mark.usefixtures("plugin")
def test_our_own_names_stay_ours_and_doubtful_ones_are_refused() -> None:
    assert not isinstance(create_policy("large", PROFILE), Alternate)
    for name in ("broken", "twice"):
        with pytest.raises(UsageError, match=name):
            create_policy(name, PROFILE)
