"""`relaygen policies`: what can be given to --policy."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from relaygen.policies import policy_summaries, wrapper_summaries


def policies() -> None:
    """List the policies, and what they can be combined with."""
    console = Console(highlight=False)
    console.print(_table(policy_summaries()))
    console.print("\nBehind any of these, for example relaygen+speculative(k=4):\n", markup=False)
    console.print(_table({f"+{name}": summary for name, summary in wrapper_summaries().items()}))


def _table(summaries: dict[str, str]) -> Table:
    table = Table(box=None, show_header=False)
    for name, summary in summaries.items():
        table.add_row(name, summary)
    return table
