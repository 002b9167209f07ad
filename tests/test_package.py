"""What `import relaygen` gives, and what it costs."""

from __future__ import annotations

import pytest
from tests.cli.console import start

import relaygen


@pytest.mark.parametrize("name", relaygen.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(relaygen, name) is not None


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Delay'"):
        relaygen.Delay  # noqa: B018


def test_importing_the_package_loads_nothing_else() -> None:
    out, err = start(
        code="import sys, relaygen; print([m for m in sys.modules if m.startswith('relaygen')])"
    ).communicate()
    assert (out.strip(), err) == (b"['relaygen']", b"")


def test_the_package_is_a_command() -> None:
    out, err = start("--version", code="import runpy; runpy.run_module('relaygen', run_name='__main__')").communicate()
    assert (out.decode().strip(), err) == (relaygen.__version__, b"")
