"""A run's configuration in words, to be printed with its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from relaygen.evals.environment import Environment
from relaygen.evals.header import Header, Resumption
from relaygen.evals.reading import LogReader


def configuration(reader: LogReader) -> dict[str, str]:
    """What and where, name by name, in the order in which a reader asks."""
    header = reader.header
    sessions = reader.sessions
    settings, extent = header.settings, sessions[-1].extent
    sampling = {name: f"{value:g}" for name, value in settings.sampling.items()}
    found = {
        "models": "; ".join(f"{role}: {model['engine']}" for role, model in settings.models.items()),
        "profile": f"{settings.profile.get('name', '')} ({settings.profile.get('origin', '')})",
        "tasks": ", ".join(settings.tasks),
        "problems": f"{extent.samples}, {extent.epochs} epoch{'s' * (extent.epochs != 1)}",
        "sampling": ", ".join(f"{name} {value}" for name, value in sampling.items()),
        "seed": str(settings.seed),
        "budget": f"{settings.max_tokens} tokens",
        "concurrency": str(settings.concurrency),
        "engine": ", ".join(f"{name} {value}" for name, value in settings.engine.items()),
        "begun": header.created + (f", taken up again at {again}" if (again := _again(sessions)) else ""),
    }
    return {name: text for name, text in (found | place(header.environment)).items() if text}


def _again(sessions: Sequence[Header | Resumption]) -> str:
    return ", ".join(session.created for session in sessions[1:])


def place(environment: Environment) -> dict[str, str]:
    """The machine and the software."""
    packages = [f"{name} {version}" for name, version in environment.packages.items()]
    commit = f" ({environment.commit})" if environment.commit else ""
    machine = f"{environment.cores} cores, {environment.memory_gib:g} GiB, {environment.platform}"
    return {
        "machine": f"{environment.processor or 'unknown processor'}, {machine}",
        "software": ", ".join([f"relaygen {environment.relaygen}{commit}", f"Python {environment.python}", *packages]),
    }
