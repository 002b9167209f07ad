"""Real servers that are killed in the middle of an answer, and come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.servers.comparing import TIE, margin_of_difference
from tests.servers.conftest import OPTIONS, RealPair

from relaygen.errors import EngineError
from relaygen.problems import ProblemSet
from relaygen.relay import Options, Relay
from relaygen.types import LARGE, SMALL, Finished, Role, Trace, Written

pytestmark = pytest.mark.server
QUESTION = ProblemSet("chain_sum")[0].question


@pytest.fixture
def mortal(pair: RealPair) -> Iterator[RealPair]:
    """A pair that other tests find running again, whatever happened."""
    yield pair
    for server in pair.servers.values():
        server.revive()
    for server in pair.servers.values():
        server.wait()


def killed_in_the_middle(relay: Relay, pair: RealPair, role: Role, options: Options) -> Trace:
    """One generation, whose server of a role is killed while it writes."""
    for event in relay.events(QUESTION, options=options):
        if isinstance(event, Written) and event.role is role:
            pair.servers[role].kill()
        if isinstance(event, Finished):
            return event.trace
    raise AssertionError("a generation ends with Finished")


def test_what_is_promised_when_servers_are_killed_and_come_back(mortal: RealPair, local: Relay) -> None:
    whole = local.generate(QUESTION)
    with mortal.relay(attempts=2) as relay:
        degraded = killed_in_the_middle(relay, mortal, SMALL, replace(OPTIONS, on_small_failure="large"))
        assert degraded.degraded
        assert degraded.finish_reason == "stop"
        assert "".join(segment.text for segment in degraded.segments) == degraded.text
        assert starts_alike(whole, degraded, SMALL)

        with pytest.raises(EngineError, match="can't be reached") as small_gone:
            relay.generate(QUESTION)
        assert small_gone.value.trace is not None
        assert starts_alike(whole, small_gone.value.trace, LARGE)

        with pytest.raises(EngineError) as large_gone:
            killed_in_the_middle(relay, mortal, LARGE, OPTIONS)
        assert large_gone.value.trace is not None
        assert large_gone.value.trace.tokens
        assert starts_alike(whole, large_gone.value.trace, LARGE)

        for server in mortal.servers.values():
            server.revive()
        for server in mortal.servers.values():
            server.wait()
        again = relay.generate(QUESTION)
        assert not again.degraded
        difference = margin_of_difference(whole, again)
        assert difference is None or difference < TIE


def starts_alike(whole: Trace, part: Trace, role: Role) -> bool:
    """Whether nothing was lost or written twice up to the last token of a role, behind which its failure was."""
    last = max(i for i, segment in enumerate(part.segments) if segment.role is role and not segment.inserted)
    kept = [token for segment in part.segments[: last + 1] for token in segment.tokens]
    return kept == list(whole.tokens[: len(kept)])
