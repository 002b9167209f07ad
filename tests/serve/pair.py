"""Two scripted models that answer every question, whoever goes on with it, and a gateway around them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from relaygen.engines import Params
from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError
from relaygen.profile import Profile
from relaygen.relay import Options, Relay
from relaygen.serve import Keys, ServeSettings, create_app, listen
from relaygen.serve.server import url
from relaygen.types import Token
from relaygen.until import Matcher

PROFILE = Profile(name="test", origin="provisional", cues=("Thus", "So"))
OPENING = "assistant: <think>\n"
NO_THOUGHT = "\n</think>\n\n"
ADDRESS = "http://10.0.0.7:8000/v1"
RAW = " and so on.\nQ: another one"


def thought(question: str) -> str:
    """What the pair thinks about a question, tag excluded."""
    return f"Let me read {question!r}. Thus it is easy ≈ 🙂. Is it? So I am done.\n"


def answer(question: str) -> str:
    return f"\n\nThe answer to {question!r} is 42 🙂."


def play(prompt: str) -> Line:
    """Goes on from wherever the prompt stops. A question with `fail` makes the model fail after a few tokens."""
    before, opening, written = prompt.rpartition(OPENING)
    if not opening:
        return Line(RAW)
    question = before.rstrip("\n").rpartition("user: ")[2]
    whole = f"{thought(question)}</think>{answer(question)}"
    if written.startswith(NO_THOUGHT):
        whole = NO_THOUGHT + answer(question)
    fails = {"fail at once": 0, "fail later": 10}.get(question)
    return Line(whole[len(written) :] if whole.startswith(written) else whole, fail_after=fails)


class HeldEngine(ScriptedEngine):
    """Writes a few tokens and then waits, until it is let go or closed; tells when it waits and when all is over."""

    def __init__(self, after: int = 5) -> None:
        super().__init__(play, name="held")
        self.waits, self.over = threading.Event(), threading.Event()
        self._after = after
        self._go = asyncio.Event()

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        try:
            async with aclosing(super().stream(prompt, params, until)) as stream:
                async for token in stream:
                    yield token
                    if self.produced == self._after:
                        self.waits.set()
                        await self._go.wait()
        finally:
            if self.running == 0:
                self.over.set()

    def let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._go.set)


class BrokenEngine(ScriptedEngine):
    """Fails before its first token."""

    def __init__(self) -> None:
        super().__init__(["x"], name="broken")

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        raise EngineError(f"{ADDRESS} is gone.")
        yield  # pragma: no cover - makes this a generator


def make_relay(large: ScriptedEngine | None = None, small: ScriptedEngine | None = None, **options: Any) -> Relay:
    first = large or ScriptedEngine(play, name="scripted:large", context=4096)
    second = small or ScriptedEngine(play, name="scripted:small", context=4096)
    return Relay(first, second, profile=PROFILE, options=Options(**{"max_tokens": 1000} | options))


class Served:
    """A gateway somewhere on this machine."""

    def __init__(self, address: str) -> None:
        self.url = address


class Live(Served):
    """A gateway in a thread of its own."""

    def __init__(self, app: Starlette, address: str) -> None:
        super().__init__(address)
        self.app = app
        self.loop: asyncio.AbstractEventLoop | None = None


@contextmanager
def live(relay: Relay, settings: ServeSettings | None = None, keys: Keys | None = None) -> Iterator[Live]:
    """Serves as long as the block runs."""
    with listen(ServeSettings(port=0)) as listener:
        app = create_app(relay, settings or ServeSettings(), keys or Keys())
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
        gateway = Live(app, url(listener))

        def run() -> None:
            with asyncio.Runner() as runner:
                gateway.loop = runner.get_loop()
                runner.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield gateway
        finally:
            server.should_exit = True
            thread.join()
