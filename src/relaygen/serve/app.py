"""The application: addresses, failures, limits of access. Any ASGI server can run it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from relaygen.errors import RelayError
from relaygen.relay import Relay
from relaygen.serve.failures import Refusal, answer_failure
from relaygen.serve.gateway import Gateway
from relaygen.serve.keys import Keys, load_keys
from relaygen.serve.log import Requests
from relaygen.serve.openapi import document_endpoint
from relaygen.serve.page import page_endpoint
from relaygen.serve.settings import ServeSettings


def create_app(relay: Relay, settings: ServeSettings | None = None, keys: Keys | None = None) -> Starlette:
    """The gateway for a relay, which it closes when it shuts down; `app.state.gateway` is its Gateway.

    Without `keys` they come from the settings' file and the environment. Raises UsageError when that file can't be
    read.
    """
    settings = settings or ServeSettings()
    gateway = Gateway(relay, settings, load_keys(settings.keys, os.environ) if keys is None else keys)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(gateway.health.watch())
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await relay.aclose()

    app = Starlette(
        routes=_routes(gateway),
        middleware=_middleware(settings),
        exception_handlers={kind: answer_failure for kind in (Refusal, RelayError, HTTPException, Exception)},
        lifespan=lifespan,
    )
    app.state.gateway = gateway
    return app


def _routes(gateway: Gateway) -> list[Route]:
    routes = [
        Route("/v1/chat/completions", gateway.chat, methods=["POST"]),
        Route("/v1/completions", gateway.completions, methods=["POST"]),
        Route("/v1/models", gateway.models),
        Route("/v1/models/{model:path}", gateway.model),
        Route("/health", gateway.alive),
        Route("/ready", gateway.ready),
        Route("/metrics", gateway.metrics_page),
        Route("/openapi.json", document_endpoint()),
    ]
    return [*routes, Route("/", page_endpoint(gateway))] if gateway.settings.page else routes


def _middleware(settings: ServeSettings) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["x-request-id"],
    )
    return [Middleware(Requests), *([cors] if settings.cors else [])]
