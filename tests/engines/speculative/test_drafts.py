"""What copies are proposed, and how far ahead is drafted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relaygen.engines.speculative.drafts import NgramDrafts, Pace

few = st.lists(st.integers(0, 3), max_size=30)


def proposed(context: list[int]) -> int | None:
    proposal = NgramDrafts().next(context, 0)
    return proposal.id if proposal else None


def naive(context: list[int]) -> int | None:
    for size in (4, 3, 2):
        for at in range(len(context) - size - 1, -1, -1):
            if context[at : at + size] == context[-size:]:
                return context[at + size]
    return None


@given(few)
def test_what_followed_the_longest_and_latest_match_is_proposed(context: list[int]) -> None:
    assert proposed(context) == naive(context)


@given(few, few, few)
def test_what_was_dropped_is_forgotten(start: list[int], dropped: list[int], rest: list[int]) -> None:
    drafts = NgramDrafts()
    drafts.next(start + dropped, 0)
    drafts.keep(len(start))
    again = drafts.next(start + rest, 0)
    assert (again.id if again else None) == naive(start + rest)


def test_ids_of_several_bytes_are_matched_as_wholes() -> None:
    assert proposed([0, 256, 65536, 1, 256, 65536]) == 1
    assert proposed([1 << 8, 1 << 16, 5, 1, 1 << 8]) is None


def test_the_pace_follows_acceptance_within_its_bounds() -> None:
    pace = Pace(6)
    start = pace.count
    for _ in range(100):
        pace.see(False)
    assert pace.count == 1 < start
    for _ in range(100):
        pace.see(True)
    assert pace.count == 6


def test_a_fixed_pace_stays() -> None:
    pace = Pace(3, adaptive=False)
    pace.see(False)
    assert pace.count == 3
    assert pace.worth(0.0)


def test_a_draft_is_worth_its_place_while_it_is_likely_to_be_right() -> None:
    assert Pace(3).worth(0.5)
    assert not Pace(3).worth(0.1)
