"""The gateway: what the endpoints share, and the two that generate."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relaygen.relay import Relay
from relaygen.serve.exchange import Exchange
from relaygen.serve.failures import Refusal
from relaygen.serve.gate import Gate
from relaygen.serve.health import Health
from relaygen.serve.job import Job, chat_job, completion_job
from relaygen.serve.keys import Keys
from relaygen.serve.metrics import TYPE, Metrics, Watch
from relaygen.serve.models import choose, names
from relaygen.serve.replies import Format
from relaygen.serve.settings import ServeSettings, is_loopback
from relaygen.serve.spans import Spans
from relaygen.serve.wire import Body, ChatRequest, CompletionRequest, parsed


class Gateway:
    """One relay, offered to many clients."""

    def __init__(self, relay: Relay, settings: ServeSettings, keys: Keys) -> None:
        self.relay, self.settings, self.keys = relay, settings, keys
        self.gate = Gate(settings.running, settings.queue, settings.per_key)
        self.metrics = Metrics(lambda: self.gate.running, lambda: self.gate.waiting)
        self.health = Health(relay, self.metrics, settings.health)
        self._spans = Spans.installed()

    def watch(self, label: str) -> Watch:
        """Begins to time and count one generation."""
        return Watch(self.metrics, self._spans, self.health.doubt, label)

    async def chat(self, request: Request) -> Exchange:
        """POST /v1/chat/completions."""
        return await self._exchange(request, ChatRequest, chat_job, "chatcmpl-")

    async def completions(self, request: Request) -> Exchange:
        """POST /v1/completions."""
        return await self._exchange(request, CompletionRequest, completion_job, "cmpl-")

    async def models(self, request: Request) -> Response:
        """GET /v1/models."""
        self._caller(request)
        return JSONResponse({"object": "list", "data": [_card(*item) for item in names(self.relay).items()]})

    async def model(self, request: Request) -> Response:
        """GET /v1/models/{model}."""
        self._caller(request)
        chosen = choose(self.relay, request.path_params["model"])
        return JSONResponse(_card(chosen.name, names(self.relay).get(chosen.name, chosen.policy.name)))

    async def alive(self, request: Request) -> Response:
        """GET /health: the process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """GET /ready: new requests are welcome, and there are models to answer them."""
        facts = {"running": self.gate.running, "waiting": self.gate.waiting, "servers": self.health.servers}
        state = "draining" if self.gate.draining else self.health.state
        return JSONResponse({"status": state} | facts, 503 if state in ("draining", "unavailable") else 200)

    async def metrics_page(self, request: Request) -> Response:
        """GET /metrics."""
        return Response(self.metrics.page(), media_type=TYPE)

    async def _exchange(
        self,
        request: Request,
        kind: type[Body],
        job_of: Callable[[Relay, ServeSettings, Body], Job],
        prefix: str,
    ) -> Exchange:
        caller = self._caller(request)
        asked = parsed(kind, await self._body(request))
        # Templates and tokenizers take their time with long conversations, and nobody else should wait for that.
        job = await to_thread.run_sync(job_of, self.relay, self.settings, asked)
        if self.settings.log_text:
            request.scope["relay"]["request"] = asked.model_dump(exclude_unset=True, mode="json")
        form = Format(
            chat=kind is ChatRequest, id=prefix + request.scope["request_id"], job=job, engines=self.relay.engines
        )
        return Exchange(self, job, form, asked, caller)

    def _caller(self, request: Request) -> str:
        """Who asks. Raises Refusal (401) without a valid key, (403) for a strange web page where no key is needed."""
        if not self.keys and self.settings.on_loopback:
            self._refuse_strangers(request)
        return self.keys.caller(request.headers.get("authorization"))

    def _refuse_strangers(self, request: Request) -> None:
        """Without keys, any web page in a browser on this machine could call; and a name can be bound to loopback."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not is_loopback(host):
            raise Refusal(403, "Without keys this gateway answers to localhost only.", code="host_not_allowed")
        origin = request.headers.get("origin")
        if origin and origin not in self.settings.cors and not is_loopback(urlsplit(origin).hostname or ""):
            raise Refusal(403, "Web pages of other sites may not call this gateway.", code="origin_not_allowed")

    async def _body(self, request: Request) -> bytes:
        """The body. Raises Refusal (413) as soon as it is known to be too long."""
        limit, body = self.settings.max_body, bytearray()
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_long(limit)
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_long(limit)
        return bytes(body)


def _too_long(limit: int) -> Refusal:
    # The rest of the body is not read, so the connection can't be used again.
    return Refusal(
        413, f"A request may have {limit} bytes here.", code="request_too_large", headers={"connection": "close"}
    )


def _card(name: str, summary: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "relaygen", "description": summary}
