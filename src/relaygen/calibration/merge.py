"""Several profiles of one pair into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from relaygen.errors import ProfileError
from relaygen.profile import Profile
from relaygen.types import LARGE, SMALL

How = Literal["union", "intersection"]


def merged(profiles: Sequence[Profile], how: How, *, name: str) -> Profile:
    """The cues of any profile (union) or of all of them, in the order in which they first occur.

    Large answers if it does in one of them. Statistics, source and prediction are not merged: they hold for the traces
    that they were measured on. Raises ProfileError when the profiles are of different pairs or ways of matching, or
    have no cue in common.
    """
    first = profiles[0]
    for other in profiles[1:]:
        _check_fit(first, other)
    cues = tuple(dict.fromkeys(cue for profile in profiles for cue in profile.cues))
    if how == "intersection":
        cues = tuple(cue for cue in cues if all(cue in profile.cues for profile in profiles))
    if not cues:
        raise ProfileError(f"The profiles {', '.join(p.name for p in profiles)} have no cue in common.")
    origins = {profile.origin for profile in profiles}
    return Profile(
        name=name,
        large=first.large,
        small=first.small,
        origin=origins.pop() if len(origins) == 1 else "provisional",
        cues=cues,
        match=first.match,
        chain=all(p.chain for p in profiles),
        answerer=LARGE if any(p.answerer is LARGE for p in profiles) else SMALL,
        fingerprints=next((p.fingerprints for p in profiles if p.fingerprints), None),
    )


def _check_fit(first: Profile, other: Profile) -> None:
    if first.match != other.match:
        raise ProfileError(
            f"{first.name} matches by {first.match}, {other.name} by {other.match}; they can't be merged."
        )
    if first.fingerprints and other.fingerprints:
        same = first.fingerprints == other.fingerprints
    else:
        same = (first.large, first.small) == (other.large, other.small)
    if not same:
        raise ProfileError(
            f"{first.name} is for {first.large} with {first.small}, {other.name} for {other.large} with {other.small}: "
            "only profiles of one pair can be merged."
        )
