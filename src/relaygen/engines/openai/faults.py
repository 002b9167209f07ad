"""What can go wrong between us and a server, and whether trying again makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from relaygen.errors import EngineError

AGAIN = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that may pass: overload, a server that restarts, a proxy without a server behind it."""
LONGEST_WAIT = 30.0


class ServerFault(EngineError):
    """A request failed. `again`: another attempt may succeed; `wait`: seconds that the server asked us to stay away.

    The message never holds a key.
    """

    def __init__(self, message: str, *, again: bool = False, wait: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.wait = wait


@contextmanager
def reading(server: str) -> Iterator[None]:
    """Takes what can't be understood in an answer for a fault of the server."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        kind = type(error).__name__  # not its message nor itself, which may quote what came, a key perhaps
        raise ServerFault(f"{server} sent something that does not make sense here ({kind}).", again=True) from None


def refusal(server: str, status: int, detail: str, retry_after: str) -> ServerFault:
    """The fault behind an HTTP status; `detail` is the server's own message."""
    reason = {
        401: "refuses the API key (or wants one); set api_key_env or api_key_file",
        403: "refuses the API key; set api_key_env or api_key_file",
        404: "does not know this call or this model",
    }.get(status, f"answered with status {status}")
    message = f"{server} {reason}" + (f": {detail}" if detail else ".")
    return ServerFault(message, again=status in AGAIN, wait=_seconds(retry_after))


def gave_up(server: str, reason: object) -> ServerFault:
    """The fault behind a request that the server ended by itself, without a reason that its dialect knows."""
    known = reason if reason in ("abort", "error") else "for no reason that is known here"
    return ServerFault(f"{server} gave up the request ({known}).", again=True)


def _seconds(retry_after: str) -> float:
    """Retry-After in seconds; the form with a date is taken as no wish."""
    return min(float(retry_after), LONGEST_WAIT) if retry_after.replace(".", "", 1).isdigit() else 0.0
