"""The engine: hands calls to worker threads and their tokens to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from relaygen.chat import ChatTemplate
from relaygen.engines import EngineSettings
from relaygen.engines.base import Params
from relaygen.engines.onnx.model import Model
from relaygen.engines.onnx.pool import Pool
from relaygen.engines.onnx.sequence import NO_HIDDEN, CachedSequence, Hidden
from relaygen.engines.onnx.work import Generation, Stop, fill, observe, score
from relaygen.errors import ContextError, EngineError, RelayError, UsageError
from relaygen.files import read_json
from relaygen.sampling import Logits, Sampler
from relaygen.tokenizer import Tokenizer
from relaygen.types import Scored, Token
from relaygen.until import Matcher

T = TypeVar("T")
Work = Callable[[Stop, CachedSequence], T]
HandOver = Callable[[list[Token]], object]


class OnnxEngine:
    """Runs a model folder made by `relaygen convert` (onnxruntime-genai's model builder) in this process.

    Calls may overlap; as many run at once as there are sequences, the others wait. For one event loop at a time.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: EngineSettings | None = None,
        *,
        name: str = "",
        providers: tuple[str, ...] | None = None,
    ) -> None:
        """Loads the model. With `threads=0` a very small one gets one thread, others all cores.

        `providers` are ONNX Runtime's names; by default CUDA when the model was built for it and it is there, else
        CPU. Raises ModelError when the folder can't be used, UsageError when a setting is out of range.
        """
        folder = Path(folder)
        settings = settings or EngineSettings()
        model = Model(folder, settings, providers=providers)
        self.name = name or folder.name
        self.tokenizer = Tokenizer.load(folder)
        self.template = _template(folder)
        self.context = model.context
        self._model, self._layout = model, model.layout
        self._pool = Pool(partial(CachedSequence, model), settings.sequences)
        self._threads = ThreadPoolExecutor(settings.sequences, thread_name_prefix=self.name)
        self._running: dict[asyncio.Future[Any], Stop] = {}
        self._closed = False

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that tell this model's weights from others."""
        return self._layout.fingerprint()

    @property
    def file(self) -> Path:
        """The model's graph."""
        return self._layout.file

    @property
    def ids_name(self) -> str:
        """The graph's input for token ids."""
        return self._layout.ids

    @property
    def forwards(self) -> int:
        """How often the model has run so far."""
        return sum(sequence.forwards for sequence in self._pool)

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        """See `Engine.stream`. Ends, without a token that says so, when the context is full."""
        draw = Sampler(params.sampling, top=params.top, candidates=params.candidates)

        def work(hand_over: HandOver, tokens: list[int], limit: int, stop: Stop, own: CachedSequence) -> list[Token]:
            return Generation(tokens, params, limit, until, draw, hand_over).run(own, stop)

        async with aclosing(self.produce(prompt, params.max_tokens, work)) as tokens:
            async for token in tokens:
                yield token

    async def produce(
        self,
        prompt: Sequence[int],
        max_tokens: int,
        work: Callable[..., list[Token]],
        partner: OnnxEngine | None = None,
    ) -> AsyncGenerator[Token, None]:
        """Yields the tokens that `work` hands over, and then those that it returns; closing stops it.

        `work(hand_over, tokens, limit, stop, sequence)` runs in a worker thread, on a sequence that is a prefix of
        `tokens`; with a `partner` it gets one of the partner's as well. Raises as `Engine.stream` does.
        """
        tokens = self._checked(prompt)
        limit = min(max_tokens, self.context - len(tokens))
        if limit < 1:
            return
        batches: asyncio.Queue[list[Token] | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def hand_over(batch: list[Token]) -> object:
            return loop.call_soon_threadsafe(batches.put_nowait, batch)

        async with self._working(tokens, partial(work, hand_over, tokens, limit), partner) as future:
            future.add_done_callback(lambda _: batches.put_nowait(None))
            while (batch := await batches.get()) is not None:
                for token in batch:
                    yield token
            for token in self._result(future):
                yield token

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        """See `Engine.score`. Raises UsageError when `start` is below 1, ContextError when the tokens are too many."""
        if start < 1:
            raise UsageError(f"Scoring starts at position 1 at the earliest; got {start}.")
        known = self._checked(tokens, room=0)
        return await self._run(known, lambda stop, sequence: score(sequence, known, start, stop))

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        """See `Engine.warm`. Raises ContextError when the prompt is too long."""
        tokens = self._checked(prompt, room=0)
        await self._run(tokens, lambda stop, sequence: fill(sequence, tokens, stop))

    async def observe(self, tokens: Sequence[int], start: int, see: Callable[[Logits, Hidden], T]) -> list[T]:
        """Reads `tokens` and returns, piece by piece, what `see` makes of the positions from `start` on.

        It gets logits, float32 [positions, vocabulary], and hidden states, float32 [positions, hidden size], in a
        worker thread, and must copy what it keeps. Raises as `warm` does, UsageError when there are no hidden states.
        """
        known = self._checked(tokens, room=0)
        return await self._run(known, lambda stop, sequence: observe(sequence, known, start, see, stop))

    def require_hidden_states(self, size: int | None = None) -> int:
        """How wide the hidden states are. Raises UsageError when there are none, or not of the given size."""
        found = self._model.hidden_size
        if not found:
            raise UsageError(NO_HIDDEN.format(self.name))
        if size is not None and size != found:
            raise UsageError(f"The hidden states of {self.name} have {found} numbers, not {size}.")
        return found

    async def aclose(self) -> None:
        """Aborts what runs, waits for it to be over, and frees the caches. Calls that wait or come later fail."""
        self._closed = True
        for stop in self._running.values():
            stop.asked = True
        if self._running:
            await asyncio.wait(self._running)
        self._threads.shutdown(wait=False)
        self._pool.close()

    def _checked(self, prompt: Sequence[int], room: int = 1) -> list[int]:
        """The prompt as a list, which prefixes are compared with."""
        if not prompt:
            raise UsageError("The prompt is empty; at least one token is needed.")
        if len(prompt) + room > self.context:
            raise ContextError(
                f"The prompt has {len(prompt)} tokens and does not fit the context of {self.name}, {self.context} "
                f"tokens; shorten it or raise the context (this model allows up to {self._layout.context})."
            )
        return list(prompt)

    async def _run(self, tokens: list[int], work: Work[T]) -> T:
        async with self._working(tokens, work) as future:
            await asyncio.wait([future])
            return self._result(future)

    def _result(self, future: asyncio.Future[T]) -> T:
        """What the worker returned. Raises what it raised, and EngineError when `aclose` stopped it."""
        result = future.result()
        self._check_open()
        return result

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError(f"The engine {self.name} was closed.")

    @asynccontextmanager
    async def _working(
        self, tokens: list[int], work: Callable[..., T], partner: OnnxEngine | None = None
    ) -> AsyncIterator[asyncio.Future[T]]:
        """Runs `work` in a thread on the sequence that is best for `tokens`. Leaving stops it and waits for it.

        The future must be waited for with `asyncio.wait`: cancelling it would not stop the thread.
        """
        with ExitStack() as taken:
            sequences = [await engine._take(tokens, taken) for engine in (self, partner) if engine]
            stop = Stop()
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._threads, self._guarded, work, stop, *sequences)
            self._running[future] = stop
            # A callback, because it must happen even if whoever waits below is cancelled a second time.
            future.add_done_callback(partial(self._finish, taken.pop_all()))
        try:
            yield future
        finally:
            stop.asked = True
            if not future.done():
                await asyncio.wait([future])

    async def _take(self, tokens: list[int], taken: ExitStack) -> CachedSequence:
        self._check_open()
        sequence = await self._pool.take(tokens)
        taken.callback(self._pool.give_back, sequence)
        self._check_open()
        return sequence

    def _guarded(self, work: Callable[..., T], stop: Stop, *sequences: CachedSequence) -> T:
        try:
            return work(stop, *sequences)
        except RelayError:
            raise
        except Exception as error:  # reason: the edge of a thread; nobody behind it knows ONNX Runtime's exceptions
            raise EngineError(f"The engine {self.name} failed: {error}") from error

    def _finish(self, taken: ExitStack, future: asyncio.Future[Any]) -> None:
        del self._running[future]
        taken.close()


def _template(folder: Path) -> ChatTemplate | None:
    stated = "chat_template" in read_json(folder / "tokenizer_config.json")
    return ChatTemplate.load(folder) if stated or (folder / "chat_template.jinja").is_file() else None
