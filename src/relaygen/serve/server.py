"""The process: listens, drains when it is told to end, and says on standard error what it does."""

from __future__ import annotations

import errno
import os
import signal
import socket
from types import FrameType

import uvicorn

from relaygen.errors import UsageError
from relaygen.relay import Relay
from relaygen.serve.app import create_app
from relaygen.serve.gate import Gate
from relaygen.serve.keys import ENVIRONMENT, Keys, load_keys
from relaygen.serve.log import say
from relaygen.serve.settings import ServeSettings

KEEP_ALIVE = 75  # seconds; longer than the 60 of most proxies, so that it is they who close idle connections


class Server(uvicorn.Server):
    """Stops to accept generations with the first signal; what runs may finish."""

    def __init__(self, config: uvicorn.Config, gate: Gate) -> None:
        super().__init__(config)
        self._gate = gate

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drains; a second Ctrl-C ends at once. Unlike uvicorn's it does not repeat the signal at the end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = self._gate.draining = True
        say("draining", running=self._gate.running, waiting=self._gate.waiting)


def check_access(settings: ServeSettings) -> Keys:
    """The keys to serve with. Raises UsageError when others could reach a gateway that has none."""
    keys = load_keys(settings.keys, os.environ)
    if not keys and not settings.on_loopback and not settings.open:
        raise UsageError(
            f"Others can reach {settings.host}, and there are no API keys: give --keys FILE or {ENVIRONMENT}, "
            "or serve everybody with --open."
        )
    return keys


def listen(settings: ServeSettings) -> socket.socket:
    """A socket at the configured address. Raises UsageError when it can't be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host.strip("[]"), settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"Can't listen on {settings.host}, port {settings.port}"
        if error.errno == errno.EADDRINUSE:
            reason = (
                f"{where}: something else does, perhaps another gateway. Choose another --port; 0 takes a free one."
            )
        else:
            reason = f"{where}: {os.strerror(error.errno) if error.errno else error}."
        raise UsageError(reason) from error


def serve(relay: Relay, settings: ServeSettings, keys: Keys, listener: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C, then lets running generations finish for `settings.drain` seconds."""
    app = create_app(relay, settings, keys)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.drain,
    )
    say("listening", url=url(listener), page=settings.page, keys=bool(keys))
    Server(config, app.state.gateway.gate).run(sockets=[listener])


def url(listener: socket.socket) -> str:
    """Where a browser on this machine finds the gateway."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
