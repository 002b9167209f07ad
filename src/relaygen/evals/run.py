"""A finished (or unfinished) run, read once: what tables, reports and comparisons start from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from relaygen.errors import UsageError
from relaygen.evals.describe import configuration
from relaygen.evals.metrics import Summary, summarise
from relaygen.evals.reading import LogReader, find_log
from relaygen.evals.rows import Row, last_rows


@dataclass(frozen=True)
class Run:
    """The numbers of one log."""

    reader: LogReader
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> Run:
        """From a run's folder or its log. Raises UsageError when there is none, it is damaged, or holds no result."""
        reader = find_log(path)
        rows = tuple(last_rows(reader.results()))
        if not rows:
            raise UsageError(f"{reader.path} holds no results yet.")
        return cls(reader, rows)

    @cached_property
    def summaries(self) -> list[Summary]:
        """One per policy, in the order in which the policies were given."""
        order = self.reader.header.settings.policies
        return sorted(summarise(self.rows), key=lambda s: order.index(s.policy) if s.policy in order else len(order))

    @cached_property
    def about(self) -> dict[str, str]:
        """The configuration in words."""
        return configuration(self.reader)
