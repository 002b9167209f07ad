"""Structured logs: one JSON object a line, each request with its id. No prompt and no completion, unless asked for."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relaygen.serve.failures import GONE

PACKAGE, NAME = "relaygen", "relaygen.serve"
ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
QUIET = ("/health", "/ready", "/metrics")  # what machines ask every few seconds


class JsonLines(logging.Formatter):
    """A record as one line of JSON; what `extra={"fields": …}` holds stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: int = logging.INFO) -> None:
    """Sends the logs of this package and of uvicorn to standard error, as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name in (PACKAGE, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level if name == PACKAGE else logging.WARNING)


def say(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Writes one line."""
    logging.getLogger(NAME).log(level, event, extra={"fields": fields})


class Requests:
    """Middleware: gives each request an id, puts it into the reply, writes a line when the request is over.

    `scope["relay"]` is a dictionary into which whoever handles the request puts what the line should say.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), GONE
        scope["request_id"] = _id(scope)
        notes = scope["relay"] = {}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = scope["request_id"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:  # reason: the edge of a request; only noted here, the server answers
            status = 500
            raise
        finally:
            level = logging.DEBUG if scope["path"] in QUIET else logging.INFO
            seconds = round(time.perf_counter() - began, 4)
            facts = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": seconds}
            say("request", level, request_id=scope["request_id"], **facts, **notes)


def _id(scope: Scope) -> str:
    """The id that the client or a proxy gave, when it is a harmless one; else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if ID.fullmatch(given) else uuid.uuid4().hex
