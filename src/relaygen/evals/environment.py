"""Where a run took place: what a reader needs to judge its timings and to repeat it."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import relaygen

PACKAGES = ("numpy", "onnxruntime", "tokenizers", "httpx2", "reasoning-gym", "math-verify", "sympy", "scipy")


class Environment(BaseModel):
    """The machine and the software."""

    model_config = ConfigDict(frozen=True)

    relaygen: str
    """Version of this package."""
    commit: str = ""
    """Commit of its source tree, with a + when files were changed; empty for an installed package."""
    python: str = ""
    platform: str = ""
    processor: str = ""
    cores: int = 0
    """Cores that this process may use."""
    memory_gib: float = 0.0
    packages: dict[str, str] = {}


def environment() -> Environment:
    """The one that this process runs in."""
    return Environment(
        relaygen=relaygen.__version__,
        commit=_commit(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        memory_gib=_memory(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
    )


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _memory() -> float:
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(getattr(os, "sysconf_names", {})):
        return 0.0
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _commit() -> str:
    folder = Path(relaygen.__file__).parent
    if folder.parent.name != "src":
        return ""  # installed; a repository around it would be somebody else's
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    return commit + "+" if commit and _git(folder, "status", "--porcelain", "--untracked-files=no", ".") else commit


def _git(folder: Path, *arguments: str) -> str:
    try:
        found = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
