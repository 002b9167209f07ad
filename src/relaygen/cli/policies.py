"""`relaygen policies`: what can be given to --policy."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from relaygen.policies import policy_summaries


def policies() -> None:
    """List the policies."""
    table = Table(box=None, show_header=False)
    for name, summary in policy_summaries().items():
        table.add_row(name, summary)
    Console().print(table)
