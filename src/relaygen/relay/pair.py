"""Does a profile belong to a pair?"""

from __future__ import annotations

from relaygen.engines import Engine, fingerprint
from relaygen.profile import Profile


def other_pair(profile: Profile, large: Engine, small: Engine) -> str:
    """One sentence that says how the pair differs from the one that the profile was calibrated for; "" when it fits.

    Profiles without fingerprints (published ones, lists made by hand) fit everything.
    """
    if profile.fingerprints is None:
        return ""
    known = (
        ("large", profile.large, profile.fingerprints.large, large),
        ("small", profile.small, profile.fingerprints.small, small),
    )
    differ = [
        f"its {role} model was {name or 'another'} ({mark}), this one is {engine.name} ({fingerprint(engine)})"
        for role, name, mark, engine in known
        if mark and mark != fingerprint(engine)
    ]
    if not differ:
        return ""
    return f"The profile {profile.name} was calibrated for another pair: {'; '.join(differ)}. Calibrate this one."
