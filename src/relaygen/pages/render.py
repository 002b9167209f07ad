"""Templates to text. A template lies beside the code that fills it and extends `pages/base.html.jinja`."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

import relaygen


def render(template_name: str, **context: object) -> str:
    """Fills a template of the package, for example `evals/report.html.jinja`. Everything is escaped but Markup."""
    return _environment().get_template(template_name).render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("relaygen", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["relaygen_version"] = relaygen.__version__
    return environment
