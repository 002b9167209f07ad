"""Executing instructions: what a policy asks for becomes engine calls, entries in the books, and events.

The budget, end of sequence and a missing `</think>` are seen to here, for every policy alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import uuid4

from relaygen.engines.base import Engine
from relaygen.policies.base import Ask, Commit, Draft, Drafted, Insert, Instruction, Policy, Read, Write
from relaygen.relay.ask import ask, read
from relaygen.relay.context import Context
from relaygen.relay.options import Options
from relaygen.relay.prompt import OPENING
from relaygen.relay.record import Record
from relaygen.relay.run import Run, until_with, whole
from relaygen.relay.standby import Standby, mode_of
from relaygen.relay.stops import StopTexts
from relaygen.types import LARGE, Ended, Ending, Event, Role, Segment, Token
from relaygen.until import THINK_END, ThinkEndCondition
from relaygen.until.base import TAIL

FINAL = {Ending.EOS: "stop", Ending.STOP: "stop", Ending.LENGTH: "length", Ending.REPETITION: "repetition"}
TEXT_MODE = "The two models have different tokenizers: text is handed over, not token ids."


class Executor:
    """The state of one answer in the making, and each kind of instruction."""

    def __init__(
        self,
        policy: Policy,
        engines: Mapping[Role, Engine],
        prompts: Mapping[Role, Sequence[int]],
        options: Options,
        *,
        thinking: bool | None = None,
    ) -> None:
        """`thinking` says whether a reasoning stage is to come; without it, model and prompt tell."""
        self.policy, self.engines, self.options = policy, engines, options
        self.context = Context(engines, prompts)
        notes = () if self.context.shared else (TEXT_MODE,)
        self.record = Record(policy.name, tuple(prompts[LARGE]), options.sampling.seed, engines, notes)
        self._budget = min(options.max_tokens, *map(self.context.room, engines))
        self._prompt_text = engines[LARGE].tokenizer.decode(prompts[LARGE][-TAIL:])
        expected = _expects_thinking(engines[LARGE], self._prompt_text)
        self.record.thinking = expected if thinking is None else thinking
        self.record.undecided = thinking is None and expected and not self._prompt_text.rstrip().endswith(OPENING)
        self._stops = StopTexts(options.stop)
        self._session = uuid4().hex
        self._standby = Standby(engines, self.context, mode_of(policy, options.standby), self._session)
        self._finish: str | None = None
        self._result: Any = None

    async def _execute(self, instruction: Instruction) -> AsyncGenerator[Event, None]:
        match instruction:
            case Write(role):
                run = self._prepare(instruction)
                if run is None:
                    self._result = _nothing_left(role)
                    return
                await self._standby.turn(role)
                async with aclosing(self._stream(run)) as tokens:
                    async for token in tokens:
                        self._standby.wrote(token.id)
                        for event in self._write(role, token):
                            yield event
                events = self._settle(run)
            case Draft():
                self._result = await self._draft(instruction)
                return
            case Commit(draft, count):
                events = self._commit(draft, len(draft.tokens) if count is None else count)
            case Insert(text, role):
                over = self.record.thinking and THINK_END in text
                events = self._insert(role, text, Ending.THINK_END if over else Ending.TEXT)
            case Ask(role):
                await self._standby.make_way(role)
                self._result = await ask(self.engines[role], self.context, instruction)
                self.record.waste(role, len(self._result.tokens))
                return
            case Read(role):
                self._result = await read(self.engines[role], self.context, instruction)
                return
            case _:
                raise TypeError(f"{self.policy.name} yielded {instruction!r}, which is not an instruction")
        for event in events:
            yield event

    def _prepare(self, asked: Write | Draft) -> Run | None:
        """The engine call for a Write or Draft; None when it waits for the end of a thinking that is over."""
        if asked.until and asked.until.waits_for(ThinkEndCondition) and not self.record.thinking:
            return None
        engine, role = self.engines[asked.role], asked.role
        left = min(self._left, self.context.room(role))
        own = left if asked.max_tokens is None else asked.max_tokens
        stop = self.options.stop
        return Run(
            role=role,
            engine=engine,
            until=until_with(asked.until, thinking=self.record.thinking, stop=stop, written=self._stops.begun),
            eos=self.context.eos(role),
            min_tokens=asked.min_tokens,
            max_tokens=min(left, own),
            ending_at_limit=Ending.LENGTH if left <= own else Ending.TOKENS,
            whole_characters=not self.context.shared,
            session=self._session,
            tally=self.record.tally,
        )

    def _stream(self, run: Run) -> AsyncGenerator[Token, None]:
        before = (self._prompt_text + self.record.tail(TAIL))[-TAIL:]
        return run.stream(self.context.ids(run.role), self.context.position(run.role), before, self.options)

    def _write(self, role: Role, token: Token) -> Iterator[Event]:
        """Commits a token. `role` has written it, unless an engine made of both models says who did."""
        writer = token.role or role
        if piece := self.record.hand_over(writer):
            yield Ended(piece)
        yield self.record.write(writer, token)

    def _settle(self, run: Run) -> list[Event]:
        """Books what a run wrote and draws the consequences of how it ended."""
        self.context.append(run.role, [t.id for t in run.tokens[: run.kept]])
        piece = self.record.end(run.role, run.ending, why=run.why, seconds=run.seconds, overrun=run.overrun)
        return self._conclude(piece)

    def _conclude(self, piece: Segment) -> list[Event]:
        self._result = piece
        events: list[Event] = [Ended(piece)]
        if piece.ending is Ending.THINK_END:
            self.record.thinking = False
        elif piece.ending is Ending.EOS and self.record.thinking and not self.record.undecided:
            events += self._insert(piece.role, f"\n{THINK_END}\n\n", Ending.THINK_END)
            self._result = replace(piece, ending=Ending.THINK_END, why="end of sequence")
        else:
            self._finish = FINAL.get(piece.ending)
        if self._finish is None and self._left < 1:
            self._finish = "length"
        return events

    def _insert(self, role: Role, text: str, ending: Ending) -> list[Event]:
        """Text that no model wrote. When there is no room for all of it, the generation ends."""
        ids = self.engines[role].tokenizer.encode(text)
        if len(ids) > self._left:
            self._finish, ids = "length", []
        if not ids:
            self._result = Segment(role=role, tokens=(), text="", ending=ending, inserted=True)
            return []
        self.context.append(role, ids)
        events: list[Event] = [self.record.write(role, Token(id)) for id in ids]
        piece = self.record.end(role, ending, inserted=True)
        return [*events, *self._conclude(piece)]

    async def _draft(self, draft: Draft) -> Drafted:
        run = self._prepare(draft)
        if run is None:
            return Drafted(_nothing_left(draft.role), ())
        await self._standby.make_way(draft.role)
        tokens = tuple([token async for token in self._stream(run)])
        self.record.waste(run.role, run.kept + run.overrun)
        ids = tuple(t.id for t in tokens)
        segment = Segment(
            role=run.role,
            tokens=ids,
            text=run.engine.tokenizer.decode(ids),
            ending=run.ending,
            why=run.why,
            thinking=self.record.thinking,
            seconds=run.seconds,
            overrun=run.overrun,
        )
        return Drafted(segment, tokens)

    def _commit(self, draft: Drafted, count: int) -> list[Event]:
        segment = draft.segment
        tokens = draft.tokens[: min(count, self._left)]
        if not self.context.shared:
            tokens = tokens[: whole(self.engines[segment.role].tokenizer, tokens)]
        complete = len(tokens) == len(draft.tokens)
        events = [event for token in tokens for event in self._write(segment.role, token)]
        self.context.append(segment.role, [t.id for t in tokens])
        ending, why, overrun = (segment.ending, segment.why, segment.overrun) if complete else (Ending.TOKENS, "", 0)
        self.record.waste(segment.role, -len(tokens) - overrun)
        piece = self.record.end(segment.role, ending, why=why, seconds=segment.seconds, overrun=overrun)
        return [*events, *self._conclude(piece)]

    @property
    def _left(self) -> int:
        """How many tokens the budget has left."""
        return self._budget - self.record.completion_tokens


def _nothing_left(role: Role) -> Segment:
    """The answer to who waits for the end of a thinking that is over."""
    return Segment(role=role, tokens=(), text="", ending=Ending.THINK_END, thinking=False)


def _expects_thinking(engine: Engine, prompt: str) -> bool:
    """Whether a reasoning stage is to come: the model has one, and the prompt has not closed it already."""
    knows = engine.tokenizer.id_of(THINK_END) is not None or prompt.rstrip().endswith(OPENING)
    return knows and not prompt.rstrip().endswith(THINK_END)
