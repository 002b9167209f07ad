"""The description of the interface at /openapi.json, from the same models that check the requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import relaygen
from relaygen.serve.wire import ChatRequest, CompletionRequest

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"
ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
COUNT: Schema = {"type": "integer", "minimum": 0}
USAGE: Schema = {
    "type": "object",
    "required": ["prompt_tokens", "completion_tokens", "total_tokens", "relay"],
    "properties": {
        "prompt_tokens": COUNT,
        "completion_tokens": COUNT,
        "total_tokens": COUNT,
        "relay": {
            "type": "object",
            "required": ["policy", "large_tokens", "small_tokens", "segments", "switches", "large_share", "degraded"],
            "properties": {
                "policy": {"type": "string"},
                "large_tokens": COUNT,
                "small_tokens": COUNT,
                "segments": COUNT,
                "switches": COUNT,
                "large_share": {"type": "number", "minimum": 0, "maximum": 1},
                "degraded": {"type": "boolean"},
                "whole": {"type": ["string", "null"]},
            },
        },
    },
}
ANSWER: Schema = {
    "type": "object",
    "required": ["id", "object", "created", "model", "choices", "usage"],
    "properties": {
        "id": {"type": "string"},
        "object": {"enum": ["chat.completion", "text_completion"]},
        "created": COUNT,
        "model": {"type": "string"},
        "choices": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["index", "finish_reason"]},
        },
        "usage": {"$ref": "#/components/schemas/Usage"},
    },
}
MODEL: Schema = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {"id": {"type": "string"}, "object": {"const": "model"}, "created": COUNT},
}
LIST: Schema = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": MODEL}},
}
STATE: Schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
ANSWERING: Schema = {"type": "array", "items": {"type": "boolean"}}
READY: Schema = {
    "type": "object",
    "required": ["status", "running", "waiting", "servers"],
    "properties": {
        "status": {"enum": ["ready", "degraded", "unavailable", "draining"]},
        "running": COUNT,
        "waiting": COUNT,
        "servers": {"type": "object", "properties": {"large": ANSWERING, "small": ANSWERING}},
    },
}


def document() -> Schema:
    """The interface in OpenAPI 3.1."""
    _, schemas = models_json_schema(
        [(ChatRequest, "validation"), (CompletionRequest, "validation")], ref_template=REFERENCE
    )
    shapes = schemas["$defs"] | {"Error": ERROR, "Usage": USAGE, "Answer": ANSWER, "Models": LIST, "Model": MODEL}
    return {
        "openapi": "3.1.0",
        "info": {"title": "RelayGen gateway", "version": relaygen.__version__},
        "components": {"schemas": shapes, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"key": []}],
        "paths": {
            "/v1/chat/completions": {"post": _generating("ChatRequest", "Answer a conversation.")},
            "/v1/completions": {"post": _generating("CompletionRequest", "Continue a prompt.")},
            "/v1/models": {"get": _reading("The models, each one a policy.", _reference("Models"))},
            "/v1/models/{model}": {
                "get": _reading("One model.", _reference("Model")) | {"parameters": [_path("model")]}
            },
            "/health": {"get": _reading("Whether the process lives.", STATE)},
            "/ready": {"get": _readiness()},
            "/metrics": {"get": _reading("Prometheus metrics.", {"type": "string"}, "text/plain")},
        },
    }


def document_endpoint() -> Callable[[Request], Awaitable[Response]]:
    """GET /openapi.json."""
    made = document()

    async def openapi(request: Request) -> Response:
        return JSONResponse(made)

    return openapi


def _generating(shape: str, summary: str) -> Schema:
    body = {"required": True, "content": {"application/json": {"schema": _reference(shape)}}}
    answers = {
        "application/json": {"schema": _reference("Answer")},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    return {
        "summary": summary,
        "requestBody": body,
        "responses": {"200": {"description": "The answer, whole or as a stream.", "content": answers}} | _failures(),
    }


def _reading(summary: str, schema: Schema, kind: str = "application/json") -> Schema:
    good = {"description": summary, "content": {kind: {"schema": schema}}}
    return {"summary": summary, "responses": {"200": good} | _failures()}


def _readiness() -> Schema:
    """Says the same things whether requests are welcome or not."""
    described = _reading("Whether new requests are welcome, and which servers answer.", READY)
    described["responses"]["503"] = described["responses"]["200"] | {"description": "Requests should go elsewhere."}
    return described


def _failures() -> Schema:
    shape = {"application/json": {"schema": _reference("Error")}}
    return {"4XX": {"description": "The request can't be served.", "content": shape}} | {
        "5XX": {"description": "The gateway or a model failed.", "content": shape}
    }


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _reference(name: str) -> Schema:
    return {"$ref": REFERENCE.format(model=name)}
