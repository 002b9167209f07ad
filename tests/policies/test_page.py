"""The code on the page about policies runs, and the page knows every policy."""

from __future__ import annotations

import re
from pathlib import Path

from relaygen.policies import policy_names, wrapper_summaries

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")


def test_the_code_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    # One namespace with a name, in which dataclasses find the module that they are in.
    exec(compile("\n".join(blocks), "docs/policies.md", "exec"), {"__name__": __name__})


def test_a_policy_takes_about_twenty_lines() -> None:
    body = re.search(r"^@dataclass.*?(?=^```)", PAGE, re.DOTALL | re.MULTILINE)
    assert body
    assert len(body[0].strip().splitlines()) <= 22


def test_every_policy_and_wrapper_is_on_the_page() -> None:
    for name in (*policy_names(), *wrapper_summaries()):
        assert re.search(rf"[`+]{name}\b", PAGE), name
