"""The relay: runs a policy's instructions on two engines.

What holds for every policy is applied here and nowhere else: the token budget, end of sequence, stop texts, a missing
`</think>`, the repetition guard.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from relaygen.engines.base import Engine, Params
from relaygen.errors import ContextError, EngineError
from relaygen.policies.base import Ask, Commit, Draft, Drafted, Insert, Policy, Write
from relaygen.relay.context import Context
from relaygen.relay.options import Options
from relaygen.relay.record import Record
from relaygen.relay.run import Run, until_with
from relaygen.types import GREEDY, LARGE, Ended, Ending, Event, Finished, Role, Segment, Token, Trace
from relaygen.until import THINK_END, ThinkEndCondition
from relaygen.until.base import TAIL

PATIENCE = 16  # empty pieces in a row after which a policy is going nowhere
FINAL = {Ending.EOS: "stop", Ending.STOP: "stop", Ending.LENGTH: "length", Ending.REPETITION: "repetition"}


class Generation:
    """One answer in the making. Iterate over `events()` once."""

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
        self.record = Record(policy.name, tuple(prompts[LARGE]), options.sampling.seed, engines)
        self._budget = min(options.max_tokens, _room(engines, self.context))
        self._prompt_text = engines[LARGE].tokenizer.decode(prompts[LARGE][-TAIL:])
        expected = _expects_thinking(engines[LARGE], self._prompt_text)
        self.record.thinking = expected if thinking is None else thinking
        self._empty = 0
        self._finish: str | None = None
        self._result: Any = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """The relay loop. The last event is `Finished`; raises EngineError, which carries the partial trace."""
        steps = self.policy.run()
        try:
            while self._finish is None:
                instruction = steps.send(self._result)
                async with aclosing(self._execute(instruction)) as events:
                    async for event in events:
                        yield event
        except StopIteration:
            pass
        except EngineError as error:
            error.trace = self.record.trace("error")
            raise
        finally:
            steps.close()
        yield Finished(self.trace)

    @property
    def trace(self) -> Trace:
        """What has been written by now."""
        return self.record.trace(self._finish or "stop")

    async def _execute(self, instruction: object) -> AsyncGenerator[Event, None]:
        match instruction:
            case Write(role):
                run = self._prepare(instruction)
                if run is None:
                    self._result = self.record.end(role, Ending.THINK_END)
                    return
                async for token in run.stream(self.context.ids(role), self._offset(role), self._before, self.options):
                    yield self.record.write(role, token)
                for event in self._settle(run):
                    yield event
            case Draft(role):
                self._result = await self._draft(instruction)
            case Commit(draft, count):
                for event in self._commit(draft, len(draft.tokens) if count is None else count):
                    yield event
            case Insert(text, role):
                for event in self._insert(role, text, Ending.TEXT):
                    yield event
            case Ask():
                self._result = await self._ask(instruction)
            case _:
                raise TypeError(f"{self.policy.name} yielded {instruction!r}, which is not an instruction")

    def _prepare(self, asked: Write | Draft) -> Run | None:
        """The engine call for a Write or Draft; None when it waits for the end of a thinking that is over."""
        if asked.until and asked.until.waits_for(ThinkEndCondition) and not self.record.thinking:
            return None
        left = self._budget - self.record.completion_tokens
        own = left if asked.max_tokens is None else asked.max_tokens
        return Run(
            role=asked.role,
            engine=self.engines[asked.role],
            until=until_with(asked.until, thinking=self.record.thinking, stop=self.options.stop),
            min_tokens=asked.min_tokens,
            max_tokens=min(left, own),
            ending_at_limit=Ending.LENGTH if left <= own else Ending.TOKENS,
            whole_characters=not self.context.shared,
        )

    def _settle(self, run: Run) -> list[Event]:
        """Books what a run wrote and draws the consequences of how it ended."""
        kept = run.tokens[: run.kept]
        self.context.append(run.role, [t.id for t in kept])
        piece = self.record.end(
            run.role, run.ending, why=run.why, seconds=run.seconds, overrun=run.overrun, partial=run.partial
        )
        return self._conclude(piece)

    def _conclude(self, piece: Segment) -> list[Event]:
        self._result = piece
        self._empty = 0 if piece.tokens else self._empty + 1
        if self._empty > PATIENCE:
            raise EngineError(f"The policy {self.policy.name} wrote nothing {PATIENCE} times in a row.")
        events: list[Event] = [Ended(piece)]
        if piece.ending is Ending.THINK_END:
            self.record.thinking = False
        elif piece.ending is Ending.EOS and self.record.thinking and "<think>" in self._prompt_text + self._written:
            events += self._insert(piece.role, f"\n{THINK_END}\n\n", Ending.THINK_END)
            self._result = replace(piece, ending=Ending.THINK_END, why="end of sequence")
        else:
            self._finish = FINAL.get(piece.ending)
        if self._finish is None and self.record.completion_tokens >= self._budget:
            self._finish = "length"
        return events

    def _insert(self, role: Role, text: str, ending: Ending) -> list[Event]:
        """Text that no model wrote."""
        ids = self.engines[role].tokenizer.encode(text)
        self.context.append(role, ids)
        events: list[Event] = [self.record.write(role, Token(id)) for id in ids]
        piece = self.record.end(role, ending, inserted=True)
        return [*events, *self._conclude(piece)]

    async def _draft(self, draft: Draft) -> Drafted:
        run = self._prepare(draft)
        if run is None:
            raise TypeError("a Draft can't wait for the end of thinking when thinking is over")
        shown = run.stream(self.context.ids(run.role), self._offset(run.role), self._before, self.options)
        tokens = tuple([token async for token in shown])
        self.record.waste(run.role, len(run.tokens))
        stream = run.engine.tokenizer.stream()
        text = "".join(stream.feed(t.id) for t in tokens) + stream.flush() + run.partial
        ids = tuple(t.id for t in tokens)
        segment = Segment(role=run.role, tokens=ids, text=text, ending=run.ending, why=run.why, seconds=run.seconds)
        return Drafted(replace(segment, thinking=self.record.thinking), tokens)

    def _commit(self, draft: Drafted, count: int) -> list[Event]:
        segment, tokens = draft.segment, draft.tokens[:count]
        whole = len(tokens) == len(draft.tokens)
        events: list[Event] = [self.record.write(segment.role, token) for token in tokens]
        self.context.append(segment.role, [t.id for t in tokens])
        self.record.waste(segment.role, -len(tokens))
        ending, why = (segment.ending, segment.why) if whole else (Ending.TOKENS, str(count))
        piece = self.record.end(segment.role, ending, why=why, seconds=segment.seconds)
        return [*events, *self._conclude(piece)]

    async def _ask(self, ask: Ask) -> tuple[Token, ...]:
        engine = self.engines[ask.role]
        prompt = self.context.ids(ask.role) + engine.tokenizer.encode(ask.text)
        params = Params(max_tokens=ask.max_tokens, sampling=GREEDY, eos=engine.tokenizer.eos_ids, top=True)
        tokens = tuple([token async for token in engine.stream(prompt, params)])
        self.record.waste(ask.role, len(tokens))
        return tokens

    def _offset(self, role: Role) -> int:
        return self.context.position(role)

    @property
    def _written(self) -> str:
        return self.record.head(TAIL)

    @property
    def _before(self) -> str:
        return (self._prompt_text + self.record.tail(TAIL))[-TAIL:]


def _expects_thinking(engine: Engine, prompt: str) -> bool:
    """Whether a reasoning stage is to come: the model has one, and the prompt has not closed it already."""
    knows = engine.tokenizer.id_of(THINK_END) is not None or "<think>" in prompt
    return knows and not prompt.rstrip().endswith(THINK_END)


def _room(engines: Mapping[Role, Engine], context: Context) -> int:
    """Tokens that both models have left for the completion. Raises ContextError when there are none."""
    for role, engine in engines.items():
        if engine.context <= len(context.ids(role)):
            raise ContextError(
                f"The prompt has {len(context.ids(role))} tokens, but {engine.name} has a context of "
                f"{engine.context}: shorten the prompt or give the model more context."
            )
    return min(engine.context - len(context.ids(role)) for role, engine in engines.items())
