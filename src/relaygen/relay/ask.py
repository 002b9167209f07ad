"""Asking a model to judge, or to read a draft, without touching the context."""

from __future__ import annotations

import math
from collections.abc import Sequence

from relaygen.engines.base import Engine, Params
from relaygen.policies.base import Ask, Asked, Drafted, Read
from relaygen.relay.context import Context
from relaygen.types import GREEDY, Role, Scored

CANDIDATES = 20  # probable answers that an Asked tells; servers give no more


async def ask(engine: Engine, context: Context, question: Ask) -> Asked:
    """Lets `engine`, which plays the role that is asked, continue the context, the draft and the question."""
    tokenizer, role = engine.tokenizer, question.role
    prompt = [*context.ids(role), *_drafted(engine, context, question.draft, role), *tokenizer.encode(question.text)]
    if len(prompt) + question.max_tokens > engine.context:
        return Asked()
    params = Params(
        max_tokens=question.max_tokens, sampling=GREEDY, eos=context.eos(role), top=True, candidates=CANDIDATES
    )
    tokens = tuple([token async for token in engine.stream(prompt, params)])
    chances: dict[str, float] = {}
    for id, logprob in tokens[0].top if tokens else ():
        text = tokenizer.decode([id]).strip()
        chances[text] = chances.get(text, 0.0) + math.exp(logprob)
    return Asked(tokenizer.decode(token.id for token in tokens), tokens, chances)


async def read(engine: Engine, context: Context, reading: Read) -> tuple[Scored, ...]:
    """Lets `engine`, which plays the role that reads, score the draft behind the context."""
    known = context.ids(reading.role)
    tokens = [*known, *_drafted(engine, context, reading.draft, reading.role)]
    if len(tokens) >= engine.context:
        return ()
    return tuple(await engine.score(tokens, len(known)))


def _drafted(engine: Engine, context: Context, draft: Drafted | None, role: Role) -> Sequence[int]:
    """The draft, if there is one, in the vocabulary of `role`."""
    if draft is None:
        return ()
    if context.shared or draft.segment.role is role:
        return draft.segment.tokens
    return engine.tokenizer.encode(draft.segment.text)
