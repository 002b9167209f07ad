"""A closed-loop load: so many callers, each asking again as soon as it has its answer."""

from relaygen.evals.bench.levels import Level, summarise
from relaygen.evals.bench.load import closed_loop
from relaygen.evals.bench.targets import EndpointTarget, Measured, RelayTarget, Target

__all__ = ["EndpointTarget", "Level", "Measured", "RelayTarget", "Target", "closed_loop", "summarise"]
