"""Pairs of scripted engines, for tests of everything that relays."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import anyio
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from relaygen.engines.scripted import SPECIALS, Line, ScriptedEngine
from relaygen.policies import Instruction, Policy, Steps
from relaygen.relay import Generation, Options, Relay
from relaygen.tokenizer import Tokenizer
from relaygen.types import LARGE, SMALL, Event, Finished, Role, Trace

Step = Instruction | Callable[[list[Any]], Instruction]  # what was answered so far may decide
Script = Iterable[str | Line] | Callable[[str], str | Line]


@cache
def bpe(size: int = 320, text: str = "So, the sum is 12. Now, wait. é漢字😀") -> Tokenizer:
    """Byte-level tokens that cross the borders of words and characters: merges of `text`, up to `size` tokens."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=1,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([text], trainer)
    return Tokenizer(json.dumps(json.loads(backend.to_str())), eos_ids=[0])


@dataclass(frozen=True)
class Listed:
    """A policy that gives the listed instructions. `answers` collects what came back."""

    instructions: Sequence[Step]
    answers: list[Any]
    name: str = "listed"

    def run(self) -> Steps:
        for instruction in self.instructions:
            self.answers.append((yield instruction(self.answers) if callable(instruction) else instruction))


def listed(*instructions: Step) -> Listed:
    """The policy; an instruction that depends on earlier answers is a function of them."""
    return Listed(instructions, [])


class Played(NamedTuple):
    """A generation that is over."""

    events: list[Event]
    generation: Generation
    large: ScriptedEngine
    small: ScriptedEngine

    @property
    def trace(self) -> Trace:
        assert isinstance(self.events[-1], Finished)
        return self.events[-1].trace


def play(
    policy: Policy,
    large: Script = (),
    small: Script = (),
    *,
    options: Options | None = None,
    tokenizers: tuple[Tokenizer | None, Tokenizer | None] = (None, None),
    context: int = 1 << 20,
    prompt: str = "user: Q\nassistant: <think>\n",
) -> Played:
    """One generation of `policy` on two scripts."""
    engines = {
        LARGE: ScriptedEngine(large, name="large", tokenizer=tokenizers[0], context=context),
        SMALL: ScriptedEngine(small, name="small", tokenizer=tokenizers[1], context=context),
    }
    prompts = {role: engine.tokenizer.encode(prompt) for role, engine in engines.items()}
    generation = Generation(policy, engines, prompts, options or Options())

    async def all_events() -> list[Event]:
        return [event async for event in generation.events()]

    return Played(anyio.run(all_events), generation, engines[LARGE], engines[SMALL])


def pair(large: Script = (), small: Script = (), **settings: object) -> Relay:
    """A relay of two scripts."""
    return Relay(ScriptedEngine(large, name="large"), ScriptedEngine(small, name="small"), **settings)  # type: ignore[arg-type]


def shape(trace: Trace) -> list[tuple[Role, str, str]]:
    """Who wrote what, and why it ended."""
    return [(s.role, s.text, str(s.ending)) for s in trace.segments]


async def drained(stream: AsyncGenerator[Event, None]) -> list[Event]:
    """All events of a stream."""
    return [event async for event in stream]
