"""An engine that plays back what it is told: for tests, docs and fault injection. Ships with the package.

    engine = ScriptedEngine(["First thought. ", "So, done.</think>", "42"])

Each call plays the next line, cut by `until`, `max_tokens` or the end of the sequence. A callable instead of a list
gets the prompt as text and returns the line.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import anyio

from relaygen.engines.base import Params
from relaygen.errors import ContextError, EngineError
from relaygen.tokenizer import Tokenizer
from relaygen.types import Candidate, Scored, Token
from relaygen.until import Matcher

EOS = "<|end|>"
SPECIALS = (EOS, "<think>", "</think>")
SURE = 0.9  # the margin of a scripted token, unless the line says otherwise


@dataclass(frozen=True, slots=True)
class Line:
    """One scripted reply. `margins` apply to its tokens in order, the last one to all that follow.

    `delay` (seconds) passes before each token; after `fail_after` tokens the engine fails.
    """

    text: str
    margins: tuple[float, ...] = (SURE,)
    delay: float = 0.0
    fail_after: int | None = None

    def margin(self, i: int) -> float:
        return self.margins[min(i, len(self.margins) - 1)]


@cache
def byte_tokenizer() -> Tokenizer:
    """One token per byte, plus an end of sequence and the two thinking tags."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(0x100) if b not in printable]
    vocab = {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(rest)}
    added = [
        {"id": 256 + i, "content": s, "special": True, "single_word": False}
        | {"lstrip": False, "rstrip": False, "normalized": False}
        for i, s in enumerate(SPECIALS)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    spec = {"version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": byte_level}
    model = {"type": "BPE", "vocab": vocab, "merges": []}
    return Tokenizer(json.dumps(spec | {"post_processor": None, "decoder": byte_level, "model": model}), eos_ids=[256])


class ScriptedEngine:
    """Plays back lines. Counts what it was asked in `calls` (the prompts) and `produced` (tokens)."""

    def __init__(
        self,
        script: Iterable[str | Line] | Callable[[str], str | Line],
        *,
        name: str = "scripted",
        tokenizer: Tokenizer | None = None,
        context: int = 1 << 20,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer or byte_tokenizer()
        self.context = context
        self.calls: list[tuple[int, ...]] = []
        self.warmed: list[tuple[int, ...]] = []
        self.produced = 0
        self.closed = False
        self._script = script if callable(script) else None
        self._lines = iter(()) if callable(script) else iter(script)

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        if len(prompt) >= self.context:
            raise ContextError(f"The prompt has {len(prompt)} tokens, but {self.name} has room for {self.context}.")
        self.calls.append(tuple(prompt))
        line = self._next(prompt)
        for i, id in enumerate(self.tokenizer.encode(line.text)[: params.max_tokens]):
            if i == line.fail_after:
                raise EngineError(f"{self.name} failed, as its script says.")
            await anyio.sleep(line.delay)
            token = Token(id, -0.1, _top(id, line.margin(i)) if params.top else ())
            self.produced += 1
            over = until.feed(token) if until else False
            yield token
            if over or id in params.eos:
                return

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        """Scores `tokens` with the margins of the next line; every token is the most probable one."""
        line = self._next(tokens[:start])
        tops = (_top(id, line.margin(i)) for i, id in enumerate(tokens[start:]))
        return [Scored(top[0].id, top[0].logprob, top) for top in tops]

    async def warm(self, prompt: Sequence[int]) -> None:
        self.warmed.append(tuple(prompt))

    async def aclose(self) -> None:
        self.closed = True

    def _next(self, prompt: Sequence[int]) -> Line:
        line = self._script(self.tokenizer.decode(prompt)) if self._script else next(self._lines, EOS)
        return line if isinstance(line, Line) else Line(line)


def _top(id: int, margin: float) -> tuple[Candidate, ...]:
    """Two candidates whose probabilities add to one and differ by `margin`."""
    from math import log

    first, second = (1 + margin) / 2, max((1 - margin) / 2, 1e-12)
    return Candidate(id, log(first)), Candidate((id + 1) % 256, log(second))
