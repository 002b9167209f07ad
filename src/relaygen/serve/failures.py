"""How failures look on the wire: OpenAI's shape, a fitting status, one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from relaygen.errors import ContextError, EngineError, RelayError, UsageError

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
SENTENCES = {404: "There is nothing at this address.", 405: "This address does not take this method."}
GONE = 499  # the client closed the connection; what proxies write into their logs


class Refusal(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The error as OpenAI's clients expect it."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        return JSONResponse(self.body, self.status, self.headers)


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, message, param=param, code=code)


def busy(message: str, seconds: int, status: int = 429, code: str = "rate_limit_exceeded") -> Refusal:
    """Come again in so many seconds."""
    return Refusal(status, message, code=code, headers={"retry-after": str(seconds)})


def stopping(message: str) -> Refusal:
    """Another gateway, or this one when it has started again, may answer."""
    return busy(message, 5, status=503, code="shutting_down")


def refusal_of(error: Exception) -> Refusal:
    """What a client is told about an error. Engine failures are the server's side, all other ones the request's."""
    match error:
        case Refusal():
            return error
        case ContextError():
            return bad_request(str(error), "messages", "context_length_exceeded")
        case UsageError():
            return bad_request(str(error))
        case EngineError():
            # The error itself may name addresses that are nobody's business out there; it goes to the log (see `note`).
            return Refusal(502, f"{error.public} The gateway's log says why.", code="engine_error")
        case RelayError():
            return Refusal(500, str(error), code="internal_error")
        case HTTPException():
            sentence = SENTENCES.get(error.status_code, error.detail)
            return Refusal(error.status_code, sentence, headers=error.headers)
    return Refusal(500, "The gateway failed; its log says how.", code="internal_error")


def refusal_of_body(error: ValidationError) -> Refusal:
    """The first thing that is wrong with a request's body."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return bad_request(f"{place or 'The body'}: {first['msg']}.", place or None)


def note(scope: Scope, error: Exception) -> str:
    """Puts a failure into the line of the log, and returns its reason in a word."""
    refusal = refusal_of(error)
    reason = refusal.code or str(refusal.body["error"]["type"])
    # Messages of refusals may quote the request, which is not logged.
    scope["relay"] |= {"error": reason} | ({"failure": str(error)} if isinstance(error, EngineError) else {})
    return reason


async def answer_failure(request: Request, error: Exception) -> Response:
    """Exception handler of the application."""
    refusal = refusal_of(error)
    reason = note(request.scope, error)
    request.app.state.gateway.metrics.count_refusal(reason, busy=refusal.status in (429, 503))
    return refusal.response()
