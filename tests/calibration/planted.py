"""Engines with known margins, and texts whose segments can be counted by hand. One token is one byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import log

import numpy as np
import tokenizers

from relaygen.calibration.scoring import Reading
from relaygen.calibration.transcript import Transcript
from relaygen.chat import ChatTemplate
from relaygen.engines.scripted import SPECIALS, Line, ScriptedEngine, byte_tokenizer
from relaygen.relay import Options, Relay
from relaygen.tokenizer import Tokenizer
from relaygen.types import Candidate, Scored

Numbers = Callable[[str], Sequence[float]]
"""From the whole text that is read to one number for each of its characters."""

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}|"
DEFAULT_MARGIN = 0.5


class PlantedEngine(ScriptedEngine):
    """A scripted engine whose readings are planted: the margin at each character, and where it would write another."""

    def __init__(
        self,
        script: Callable[[str], str | Line],
        margins: Numbers = lambda text: [DEFAULT_MARGIN] * len(text),
        doubts: Callable[[str], Iterable[int]] = lambda text: (),
        **options: object,
    ) -> None:
        super().__init__(script, **options)  # type: ignore[arg-type]
        self.template = ChatTemplate(TEMPLATE)
        self.windows: list[tuple[int, int]] = []
        self._margins, self._doubts = margins, doubts

    async def score(self, tokens: Sequence[int], start: int = 1) -> list[Scored]:
        self.windows.append((start, len(tokens)))
        text = self.tokenizer.decode(tokens)
        margins, doubts = self._margins(text), set(self._doubts(text))
        places = {i: at for i, at in enumerate(_characters(self.tokenizer.piece(id) for id in tokens))}
        return [_scored(tokens[i], margins[places[i]], other=places[i] in doubts) for i in range(start, len(tokens))]


def after(words: Mapping[str, float], rest: float = DEFAULT_MARGIN) -> Numbers:
    """Margins: `words[w]` from the end of the word w (and its comma) to the end of its sentence, `rest` elsewhere."""

    def margins(text: str) -> list[float]:
        found = [rest] * len(text)
        for word, value in words.items():
            for match in re.finditer(rf"\b{word}\b,?([^.]*\.?)", text):
                for at in range(match.start(1), match.end(1)):
                    found[at] = value
        return found

    return margins


def relay(large: PlantedEngine, small: PlantedEngine, **options: object) -> Relay:
    return Relay(large, small, profile="candidates", options=Options(**options))  # type: ignore[arg-type]


def thought(*sentences: str, answer: str = "7") -> str:
    """A completion: the sentences as reasoning, and a boxed answer."""
    return f"<think>{' '.join(sentences)}</think>\\boxed{{{answer}}}<|end|>"


@cache
def merging_tokenizer() -> Tokenizer:
    """Byte-level BPE whose tokens are whole words with the blank in front, as real ones are."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIALS), initial_alphabet=sorted(alphabet), show_progress=False
    )
    backend.train_from_iterator(["Thus, Thus So it, So, Now the Now 3.14 e.g. double-check check.\n\n known"], trainer)
    return Tokenizer(backend.to_str(), eos_ids=[0])


def transcript(text: str, prompt: str = "Q|", tokenizer: Tokenizer | None = None) -> Transcript:
    tokenizer = tokenizer or byte_tokenizer()
    return Transcript(tokenizer, tokenizer.encode(prompt), tokenizer.encode(text.removesuffix("<|end|>")))


def reading(text: str, problem: str = "p", margins: Numbers | None = None, doubts: Iterable[int] = ()) -> Reading:
    """A reading of `text`; margins and doubts go by the number of the token (which is that of the character, with the
    thinking tags counted as one)."""
    script = transcript(text)
    length = script.reasoning_length
    values = np.full(length, DEFAULT_MARGIN) if margins is None else np.array(margins(text)[:length], float)
    disagreements = np.zeros(length)
    disagreements[list(doubts)] = 1.0
    return Reading(problem, script, values, 1.0 - disagreements, disagreements, len(script) - length)


def _scored(id: int, margin: float, *, other: bool) -> Scored:
    first, second = (1 + margin) / 2, max((1 - margin) / 2, 1e-12)
    better, worse = Candidate(id, log(first)), Candidate((id + 1) % 256, log(second))
    if other:
        better, worse = Candidate((id + 1) % 256, log(first)), Candidate(id, log(second))
    return Scored(id, worse.logprob if other else better.logprob, (better, worse))


def _characters(pieces: Iterable[bytes]) -> Iterable[int]:
    """For each token the place of its first character; all of it ASCII."""
    at = 0
    for piece in pieces:
        yield at
        at += len(piece)
