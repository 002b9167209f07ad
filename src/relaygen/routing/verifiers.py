"""Whether a token of small's, put in the place of large's, leads elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from relaygen.calibration.answers import greedy
from relaygen.calibration.collect import Recorded
from relaygen.engines import Engine, Params
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.speculative.reference import ReferenceEngine
from relaygen.problems import final_answer
from relaygen.relay import Relay
from relaygen.tokenizer import Tokenizer
from relaygen.types import GREEDY, LARGE, Token
from relaygen.until import THINK_END, Matcher, sentence_end, think_end

VerifierName = Literal["answer", "large"]

LONGEST = 512  # tokens of a sentence
REPLY = 16  # tokens of a verdict
CONTEXT = 1500  # characters in front of the sentence that the judge is shown
VERDICT = re.compile(r"[01]")
QUESTION = """Two solvers wrote the same text up to a point and then went on differently.

Text so far:
{before}

First continuation:
{first}

Second continuation:
{second}

Does the second continuation change the meaning of the sentence, its result, or what follows from it? Reply with one \
digit: 1 if it does, 0 if it only says the same in other words."""


class Verifier(Protocol):
    """Judges a token of small's at a position of large's completion."""

    async def diverges(self, trace: Recorded, position: int, token: int) -> bool | None:
        """True if it matters, False if not, None where nobody can tell. Raises EngineError when the model fails."""
        ...


@dataclass(frozen=True, slots=True)
class SameAnswer:
    """Large finishes from small's token on: it matters if that gives another final answer, or none.

    The default, for questions with answers that can be compared. A slip that large corrects later counts as neutral.
    """

    large: Engine
    max_tokens: int
    """Of a completion, as when the traces were written."""

    async def diverges(self, trace: Recorded, position: int, token: int) -> bool | None:
        own = self.large.tokenizer
        kept = [*trace.tokens[:position], *([] if token in own.eos_ids else [token])]
        prompt = [*trace.prompt, *kept]
        room = min(self.max_tokens - len(kept), self.large.context - len(prompt))
        rest = await greedy(self._like(trace), prompt, room, len(kept)) if room > 0 and token not in own.eos_ids else ""
        return _final(own.decode(kept) + rest) != _final(own.decode(trace.tokens))

    def _like(self, trace: Recorded) -> Engine:
        """Large, in fewer passes where it says again what it said before: most of these texts soon do."""
        return ReferenceEngine(self.large, trace.tokens) if isinstance(self.large, OnnxEngine) else self.large


@dataclass(frozen=True, slots=True)
class LargeJudges:
    """Large completes the sentence from small's token on, and is asked whether it means the same as its own.

    For texts whose answers can't be compared. Large must be able to follow an instruction.
    """

    relay: Relay

    async def diverges(self, trace: Recorded, position: int, token: int) -> bool | None:
        large = self.relay.engines[LARGE]
        own = large.tokenizer
        if token in own.eos_ids:
            return True
        prompt = [*trace.prompt, *trace.tokens[:position]]
        before = own.decode(prompt)
        first = _sentence(own, before, trace.tokens[position:])
        second = await self._completed(large, before, prompt, token)
        question = QUESTION.format(before=before[-CONTEXT:], first=first, second=second)
        asked = self.relay.prompt(question, thinking=False).ids[LARGE]
        found = VERDICT.search(await greedy(large, list(asked), REPLY))
        return found[0] == "1" if found else None

    async def _completed(self, large: Engine, before: str, prompt: list[int], token: int) -> str:
        """The sentence that begins with small's token, in large's words."""
        room = min(LONGEST, large.context - len(prompt) - 1)
        matcher = Matcher(sentence_end() | think_end(), large.tokenizer, before=before)
        if room < 1 or matcher.feed(Token(token)):
            return large.tokenizer.decode([token])
        params = Params(max_tokens=room, sampling=GREEDY, eos=large.tokenizer.eos_ids)
        ids = [token, *[t.id async for t in large.stream([*prompt, token], params, matcher)]]
        return large.tokenizer.decode(id for id in _kept(matcher, ids) if id not in params.eos)


def verifier(name: VerifierName, relay: Relay) -> Verifier:
    """The verifier of that name."""
    makers: dict[VerifierName, Callable[[], Verifier]] = {
        "answer": lambda: SameAnswer(relay.engines[LARGE], relay.options.max_tokens),
        "large": lambda: LargeJudges(relay),
    }
    return makers[name]()


def _final(text: str) -> str:
    """What is answered behind the reasoning; nothing when the reasoning does not end, which no finished text shares."""
    reasoning, end, answer = text.rpartition(THINK_END)
    return final_answer(answer) if end or THINK_END not in reasoning else ""


def _sentence(tokenizer: Tokenizer, before: str, tokens: Sequence[int]) -> str:
    """The tokens up to the end of the sentence, as text."""
    matcher = Matcher(sentence_end() | think_end(), tokenizer, before=before)
    for i, id in enumerate(tokens[:LONGEST], 1):
        if matcher.feed(Token(id)):
            return tokenizer.decode(_kept(matcher, tokens[:i]))
    return tokenizer.decode(tokens[:LONGEST])


def _kept(matcher: Matcher, ids: Sequence[int]) -> Sequence[int]:
    return ids[: len(ids) - matcher.fired.give_back] if matcher.fired else ids
