"""`relaygen serve`: an OpenAI-compatible endpoint that relays."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from relaygen.cli.flags import RelayFlags
from relaygen.errors import MissingExtra


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFlags:
    """Address, access and limits."""

    host: str | None = None
    """Address to listen on; 127.0.0.1 by default."""
    port: int | None = None
    """Port to listen on, 8000 by default; 0 takes a free one."""
    keys: Path | None = None
    """File with one API key a line, optionally with a name in front. RELAYGEN_API_KEYS holds more, with commas."""
    open: Annotated[bool | None, Parameter(negative=())] = None
    """Serve without keys on an address that others can reach."""
    cors: Annotated[tuple[str, ...] | None, Parameter(negative=())] = None
    """Origin of web pages that may call the gateway; may be given several times."""
    page: bool | None = None
    """Whether / shows the page."""
    running: int | None = None
    """Generations at once (32); more of them wait."""
    queue: int | None = None
    """Generations that may wait (256); beyond that requests get 429."""
    per_key: int | None = None
    """Generations, running or waiting, that one key may have; 0 for no limit."""
    max_body: int | None = None
    """Bytes of a request (4 MiB)."""
    max_messages: int | None = None
    """Messages of a conversation (1000)."""
    max_choices: int | None = None
    """Generations that one request may ask for (16)."""
    drain: int | None = None
    """Seconds that running generations get to finish after SIGTERM (30)."""
    health: int | None = None
    """Seconds between two looks at the models' servers (5); 0 for one at the start alone."""
    log_text: Annotated[bool | None, Parameter(negative=())] = None
    """Write prompts and completions to the log."""


def serve(
    *,
    policy: str | None = None,
    thinking: bool | None = None,
    gateway: GatewayFlags = GatewayFlags(),
    flags: RelayFlags = RelayFlags(),  # noqa: B008 - frozen
) -> None:
    """Serve an OpenAI-compatible endpoint, and a page that shows who writes what.

    Parameters
    ----------
    policy: str
        What the model `relay` stands for: relaygen by default.
    thinking: bool
        Whether to reason when a request does not say.
    """
    try:
        from relaygen.serve import check_access, listen, serve_settings
        from relaygen.serve import serve as run
        from relaygen.serve.log import configure
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "starlette", "serve") from error
    config = flags.resolve(policy=policy, thinking=thinking)
    settings = serve_settings(config.serve).merged(asdict(gateway))
    keys = check_access(settings)
    with listen(settings) as listener:
        configure()
        run(config.open(), settings, keys, listener)
