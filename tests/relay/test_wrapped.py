"""Policies that want the large engine wrapped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest

from relaygen import engines
from relaygen.engines import Engine, Params, wrap_engine
from relaygen.engines.scripted import ScriptedEngine
from relaygen.errors import UsageError
from relaygen.policies import create_policy
from relaygen.profile import Profile
from relaygen.relay import Relay
from relaygen.relay.wrapped import KEPT, Wrapped
from relaygen.types import LARGE, SMALL, Role, Token
from relaygen.until import Matcher

PROFILE = Profile(name="test", cues=("Thus,",))


@pytest.fixture
def pair() -> dict[Role, Engine]:
    return {LARGE: ScriptedEngine(["x"], name="large"), SMALL: ScriptedEngine(["y"], name="small")}


@pytest.fixture(autouse=True)
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrap(large: Engine, small: Engine, *, k: int = 1) -> Engine:
        return ScriptedEngine(["z"], name=f"{large.name} by {small.name} {k}")

    monkeypatch.setitem(engines._WRAPPERS, "speculative", wrap)


def wrapped(wrapper: Wrapped, spec: str) -> Mapping[Role, Engine]:
    return wrapper.of(create_policy(spec, PROFILE))


def test_a_plain_policy_gets_the_pair_itself(pair: dict[Role, Engine]) -> None:
    assert wrapped(Wrapped(pair), "relaygen") is pair


def test_the_large_engine_is_wrapped_and_the_small_one_shared(pair: dict[Role, Engine]) -> None:
    found = wrapped(Wrapped(pair), "relaygen+speculative(k=3)+speculative")
    assert found[LARGE].name == "large by small 3 by small 1"
    assert found[SMALL] is pair[SMALL]


def test_a_combination_is_made_once_for_all_policies(pair: dict[Role, Engine]) -> None:
    wrapper = Wrapped(pair)
    assert wrapped(wrapper, "relaygen+speculative") is wrapped(wrapper, "large + speculative")
    assert wrapped(wrapper, "large+speculative(k=2)")[LARGE] is not wrapped(wrapper, "large+speculative")[LARGE]


def test_only_the_combinations_that_were_used_last_are_kept(pair: dict[Role, Engine]) -> None:
    wrapper = Wrapped(pair)
    first, second = (wrapped(wrapper, f"large+speculative(k={k})") for k in (1, 2))
    for k in range(3, 3 + KEPT - 1):
        wrapped(wrapper, f"large+speculative(k={k})")
        assert wrapped(wrapper, "large+speculative(k=1)") is first  # used again and again
    assert wrapped(wrapper, "large+speculative(k=2)") is not second
    assert len(wrapper._made) == KEPT


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [("nothing", {}, "no engine 'nothing'"), ("speculative", {"j": 1}, "no option j; it has k")],
)
def test_what_can_not_be_wrapped_is_one_sentence(
    pair: dict[Role, Engine], name: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        wrap_engine(name, pair[LARGE], pair[SMALL], options)


def test_a_relay_refuses_at_once_what_its_pair_can_not_do(
    pair: dict[Role, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    for spec in ("large+speculative", "large+speculative(draft=ngram)"):
        with pytest.raises(UsageError, match="models in this process"):
            Relay(pair[LARGE], pair[SMALL], policy=spec, profile=PROFILE)
    with pytest.raises(UsageError, match="draft must be small or ngram"):
        wrap_engine("speculative", pair[LARGE], pair[SMALL], {"draft": "large"})


def test_what_a_wrapped_engine_drafts_is_in_the_trace(
    pair: dict[Role, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drafting(ScriptedEngine):
        async def stream(
            self, prompt: Sequence[int], params: Params, until: Matcher | None = None
        ) -> AsyncGenerator[Token, None]:
            assert params.tally
            params.tally.drafted += 4
            params.tally.accepted += 3
            async for token in super().stream(prompt, params, until):
                yield token

    lines = ["So.</think>", "42"]
    monkeypatch.setitem(engines._WRAPPERS, "speculative", lambda large, small: Drafting(lines))
    with Relay(pair[LARGE], pair[SMALL], policy="large+speculative", profile=PROFILE) as relay:
        usage = relay.generate("What?").usage
    assert (usage.drafted, usage.accepted) == (8, 6)
    assert usage.wasted_small == usage.small_tokens == 0


def test_a_relay_runs_a_policy_on_the_wrapped_engine(pair: dict[Role, Engine]) -> None:
    with Relay(pair[LARGE], pair[SMALL], policy="small", profile=PROFILE) as relay:
        trace = relay.generate("What?", policy="large+speculative(k=2)")
    assert trace.policy == "large+speculative(k=2)"
    assert trace.text.startswith("z")
