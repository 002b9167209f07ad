"""An engine that plays back what it is told: for tests, docs and fault injection. Ships with the package.

    engine = ScriptedEngine(["First thought. ", "So, done.</think>", "42"])

Each call plays the next line, up to where `until`, `max_tokens` or the end of the sequence cuts it; when there are no
more lines, the sequence ends at once. A callable instead of a list gets the prompt as text and returns the line.

`scripted:FILE` names a TOML file with lines. One is a text, or a table with the fields of `Line`:

    lines = ["First thought. ", {text = "So, done.</think>", margins = [0.9, 0.1]}, "42"]
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anyio
from pydantic import TypeAdapter, ValidationError

from relaygen.chat import ChatTemplate
from relaygen.engines.base import Params
from relaygen.errors import ContextError, EngineError, ModelError
from relaygen.tokenizer import Tokenizer, byte_alphabet
from relaygen.types import Candidate, Scored, Token
from relaygen.until import Matcher

EOS = "<|end|>"
SPECIALS = (EOS, "<think>", "</think>")
SURE = 0.9  # the margin of a scripted token, unless the line says otherwise
TEMPLATE = (
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}"
    "{{ 'assistant: <think>\\n' if enable_thinking else 'assistant: <think>\\n\\n</think>\\n\\n' }}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One scripted reply. `margins` apply to its tokens in order, the last one to all that follow.

    `delay` (seconds) passes before each token; after `fail_after` tokens the engine fails. The sequence ends behind the
    text, unless `ends` is false: then the engine stops there as if it had no room left.
    """

    text: str
    margins: tuple[float, ...] = (SURE,)
    delay: float = 0.0
    fail_after: int | None = None
    ends: bool = True

    def margin(self, i: int) -> float:
        return self.margins[min(i, len(self.margins) - 1)]


@cache
def byte_tokenizer() -> Tokenizer:
    """One token per byte, plus an end of sequence and the two thinking tags."""
    added = [
        {"id": 256 + i, "content": s, "special": True, "single_word": False}
        | {"lstrip": False, "rstrip": False, "normalized": False}
        for i, s in enumerate(SPECIALS)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    spec = {"version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": byte_level}
    model = {"type": "BPE", "vocab": byte_alphabet(), "merges": []}
    return Tokenizer(json.dumps(spec | {"post_processor": None, "decoder": byte_level, "model": model}), eos_ids=[256])


@cache
def plain_template() -> ChatTemplate:
    """A line for each message; the reasoning is opened, and closed at once when it is not wanted."""
    return ChatTemplate(TEMPLATE)


class ScriptedEngine:
    """Plays back lines. Counts what it was asked in `calls` (the prompts), `produced` (tokens) and `running` (streams
    that have begun and are neither at their end nor closed)."""

    def __init__(
        self,
        script: Iterable[str | Line] | Callable[[str], str | Line],
        *,
        name: str = "scripted",
        tokenizer: Tokenizer | None = None,
        context: int = 1 << 20,
        template: ChatTemplate | None = None,
    ) -> None:
        """Tokenizer and template are `byte_tokenizer()` and `plain_template()` if not given."""
        self.name = name
        self.tokenizer = tokenizer or byte_tokenizer()
        self.template: ChatTemplate | None = template or plain_template()
        self.context = context
        self.calls: list[tuple[int, ...]] = []
        self.warmed: list[tuple[int, ...]] = []
        self.produced = 0
        self.running = 0
        self.closed = False
        self._script = script if callable(script) else None
        self._lines = iter(()) if callable(script) else iter(script)

    async def stream(
        self, prompt: Sequence[int], params: Params, until: Matcher | None = None
    ) -> AsyncGenerator[Token, None]:
        """See `Engine.stream`."""
        room = self.context - len(prompt)
        if room < 1:
            raise ContextError(f"The prompt has {len(prompt)} tokens, but {self.name} has room for {self.context}.")
        self.calls.append(tuple(prompt))
        line = self._next(prompt)
        self.running += 1
        try:
            for i, id in enumerate(self._ids(line)[: min(params.max_tokens, room)]):
                if i == line.fail_after:
                    raise EngineError(f"{self.name} failed, as its script says.")
                await anyio.sleep(line.delay)
                top = _top(id, line.margin(i))
                token = Token(id, top[0].logprob, top if params.top else ())
                self.produced += 1
                over = until.feed(token) if until else False
                yield token
                if over or id in params.eos:
                    return
        finally:
            self.running -= 1

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        """Scores `tokens` with the margins of the next line; every token is the most probable one."""
        line = self._next(tokens[:start])
        tops = (_top(id, line.margin(i)) for i, id in enumerate(tokens[start:]))
        return [Scored(top[0].id, top[0].logprob, top) for top in tops]

    async def warm(self, prompt: Sequence[int], session: str = "") -> None:
        self.warmed.append(tuple(prompt))

    async def aclose(self) -> None:
        self.closed = True

    def _next(self, prompt: Sequence[int]) -> Line:
        line = self._script(self.tokenizer.decode(prompt)) if self._script else next(self._lines, "")
        return line if isinstance(line, Line) else Line(line)

    def _ids(self, line: Line) -> list[int]:
        ends = sorted(self.tokenizer.eos_ids)[:1] if line.ends else []
        return self.tokenizer.encode(line.text) + ends


def load_script(path: Path) -> list[str | Line]:
    """The lines in a TOML file. Raises ModelError when it can't be read or is not a script."""
    try:
        script = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, list[str | Line]]).validate_python(script)["lines"]
    except OSError as error:
        raise ModelError(f"The script {path} can't be read: {error.strerror}.") from error
    except (KeyError, ValueError) as error:  # of TOML, of UTF-8, of pydantic
        problem = "each line is a text or a table with a text" if isinstance(error, ValidationError) else error
        raise ModelError(f"The script {path} should hold a list named lines: {problem}.") from error


def _top(id: int, margin: float) -> tuple[Candidate, ...]:
    """Two candidates whose probabilities add to one and differ by `margin`."""
    first, second = (1 + margin) / 2, max((1 - margin) / 2, 1e-12)
    return Candidate(id, math.log(first)), Candidate((id + 1) % 256, math.log(second))
