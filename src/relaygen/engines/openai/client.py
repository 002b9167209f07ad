"""One server over HTTP: pooled connections, time-outs, errors without keys."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import anyio
import httpx2

from relaygen.engines.openai.faults import ServerFault, refusal
from relaygen.engines.openai.reference import root_of
from relaygen.engines.servers import ServerSettings
from relaygen.errors import UsageError

Json = dict[str, Any]
Transport = httpx2.MockTransport | None
LARGEST_EVENT = 64 << 20  # a first event echoes the prompt's ids, and scores come in one piece
LONGEST_DETAIL = 300
ASK_SECONDS = 30.0  # for the questions before there is an event loop
MOST_CONNECTIONS = 512  # further requests wait for one
STREAM_HEADERS = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


class Client:
    """Calls one server. Paths that begin with /v1 or not are both taken from the server's root.

    The connections belong to the running event loop and are opened anew in another one.
    """

    def __init__(self, url: str, settings: ServerSettings, transport: Transport = None) -> None:
        """Opens nothing. Raises UsageError when the key file or the certificates can't be read."""
        self.url = url
        self._settings = settings
        self._headers = settings.sent_headers()
        self._secrets = [value for value in (settings.api_key(), *self._headers.values()) if value]
        if key := settings.api_key():
            self._headers["Authorization"] = f"Bearer {key}"
        if wrong := [name for name, value in self._headers.items() if not (value.isascii() and value.isprintable())]:
            raise UsageError(f"The header {wrong[0]} of {url} can't be sent: only printable ASCII characters can.")
        self._transport = transport
        self._tls = _tls(settings)
        self._http: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, path: str, body: Json | None = None) -> Json:
        """One call before there is an event loop: GET, or POST with a body. Raises ServerFault."""
        timeout = httpx2.Timeout(ASK_SECONDS, connect=self._settings.connect_seconds or None)
        with (
            self._faults(),
            httpx2.Client(**self._options(), timeout=timeout, transport=self._transport) as http,
        ):
            response = http.request("POST" if body is not None else "GET", root_of(self.url) + path, json=body)
            self._check(response)
            return self._object(response.content)

    async def call(self, path: str, body: Json | None = None, *, session: str = "", seconds: float = 0.0) -> Json:
        """GET, or POST with a body; the object that comes back. Raises ServerFault."""
        limit = seconds or self._settings.first_token_seconds or None
        with self._faults(), _limited(limit, "did not answer"):
            method = "POST" if body is not None else "GET"
            response = await self._pool().request(
                method, root_of(self.url) + path, json=body, headers=_of_session(session)
            )
            self._check(response)
            return self._object(response.content)

    async def well(self, path: str) -> bool:
        """Whether a GET is answered with success, within the time to connect."""
        try:
            with self._faults(), _limited(self._settings.connect_seconds or None, "did not answer"):
                return (await self._pool().get(root_of(self.url) + path)).is_success
        except ServerFault:
            return False

    async def text(self, path: str) -> str:
        """GET for what is no JSON, such as metrics; "" when the server has no such page."""
        with self._faults(), _limited(self._settings.connect_seconds or None, "did not answer"):
            response = await self._pool().get(root_of(self.url) + path)
            return response.text if response.is_success else ""

    async def events(
        self, path: str, body: Json, *, session: str = "", lines: bool = False
    ) -> AsyncGenerator[Json, None]:
        """The objects of a server-sent stream (or, with `lines`, of one object a line). Closing it drops the request.

        Comments and `[DONE]` are skipped. Raises ServerFault for an error event, for what is no JSON, and when the
        first event, the next one or the end takes too long.
        """
        clock = _Clock(self._settings)
        headers = STREAM_HEADERS | _of_session(session)
        with self._faults():
            http = self._pool()
            request = http.build_request("POST", root_of(self.url) + path, json=body, headers=headers)
            with clock.limit():
                response = await http.send(request, stream=True)
            try:
                if not response.is_success:
                    with clock.limit():
                        await response.aread()
                    self._check(response)
                async with aclosing(_data(response, lines)) as data:
                    while True:
                        with clock.limit():
                            item = await anext(data, None)
                        if item is None:
                            return
                        if item != "[DONE]":
                            clock.tick()
                            yield self._event(item)
            finally:
                await response.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        http, self._http = self._http, None
        if http and self._loop is asyncio.get_running_loop():
            await http.aclose()

    def _pool(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:
            connect = self._settings.connect_seconds or None
            timeout = httpx2.Timeout(None, connect=connect)
            limits = httpx2.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=64)
            self._http = httpx2.AsyncClient(
                **self._options(), timeout=timeout, limits=limits, transport=self._transport
            )
            self._loop = loop
        return self._http

    def _options(self) -> dict[str, Any]:
        """Connections are direct: a proxy meant for the internet would see every prompt."""
        return {"headers": self._headers, "verify": self._tls, "trust_env": False}

    def _event(self, data: str) -> Json:
        event = self._object(data)
        if error := event.get("error"):
            message = error.get("message", "") if isinstance(error, dict) else str(error)
            raise ServerFault(f"{self.url} failed: {self._clean(str(message))}", again=True)
        return event

    def _object(self, content: bytes | str) -> Json:
        value = json.loads(content)
        if not isinstance(value, dict):
            raise ServerFault(f"{self.url} answered with something that is no JSON object.", again=True)
        return value

    def _check(self, response: httpx2.Response) -> None:
        if not response.is_success:
            detail = self._clean(_detail(response))
            raise refusal(self.url, response.status_code, detail, response.headers.get("retry-after", ""))

    def _clean(self, text: str) -> str:
        """Servers like to repeat a wrong key in their message."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:LONGEST_DETAIL]

    def _shown(self, error: Exception) -> Exception | None:
        """The error, where a traceback may show it."""
        return None if any(secret in str(error) for secret in self._secrets) else error

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns what the library raises into ServerFault."""
        try:
            yield
        except httpx2.ConnectTimeout as error:
            limit = self._settings.connect_seconds
            raise ServerFault(f"{self.url} can't be reached within {limit:g} s.", again=True) from error
        except httpx2.ConnectError as error:
            detail = self._clean(str(error))
            raise ServerFault(f"{self.url} can't be reached: {detail}", again=True) from self._shown(error)
        except httpx2.HTTPError as error:
            detail = self._clean(str(error)) or type(error).__name__
            raise ServerFault(f"{self.url} broke off: {detail}", again=True) from self._shown(error)
        except TimeoutError as error:
            raise ServerFault(f"{self.url} {error}.", again=True) from error
        except (ValueError, RecursionError) as error:
            raise ServerFault(f"{self.url} sent something that is no JSON.", again=True) from error


class _Clock:
    """Which time-out applies now: first token, next token, the whole."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._end = anyio.current_time() + settings.total_seconds if settings.total_seconds else None
        self._first = anyio.current_time() + settings.first_token_seconds if settings.first_token_seconds else None
        self._started = False

    def tick(self) -> None:
        self._started = True

    @contextmanager
    def limit(self) -> Iterator[None]:
        now, settings = anyio.current_time(), self._settings
        if self._started:
            limits = [(settings.token_seconds or None, f"sent no token for {settings.token_seconds:g} s")]
        else:
            first = None if self._first is None else self._first - now
            limits = [(first, f"sent no first token within {settings.first_token_seconds:g} s")]
        if self._end is not None:
            limits.append((self._end - now, f"took longer than {settings.total_seconds:g} s"))
        seconds, message = min(limits, key=lambda limit: float("inf") if limit[0] is None else limit[0])
        with _limited(None if seconds is None else max(seconds, 0.0), message):
            yield


@contextmanager
def _limited(seconds: float | None, message: str) -> Iterator[None]:
    """Raises TimeoutError with the message; None is no limit. The scope must not span a yield of a generator."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as error:
        raise TimeoutError(message) from error


async def _data(response: httpx2.Response, lines: bool) -> AsyncGenerator[str, None]:
    if lines:
        async for line in response.aiter_lines():
            if line.strip():
                yield line
        return
    async for event in httpx2.EventSource(response, max_event_size=LARGEST_EVENT):
        if event.data:
            yield event.data


def _detail(response: httpx2.Response) -> str:
    """The message of an error in OpenAI's form, or whatever text there is."""
    try:
        error = response.json()
    except ValueError:
        return response.text
    inner = error.get("error", error) if isinstance(error, dict) else error
    message = (inner.get("message") or inner.get("detail")) if isinstance(inner, dict) else inner
    return str(message or "")


def _of_session(session: str) -> dict[str, str]:
    """What routers go by to keep a generation on one server."""
    return {"X-Session-ID": session} if session else {}


def _tls(settings: ServerSettings) -> ssl.SSLContext | bool:
    if not settings.ca_file or not settings.verify:
        return settings.verify
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise UsageError(f"The certificates in {settings.ca_file} can't be read.") from error
