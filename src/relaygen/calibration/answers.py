"""The answer stage: with the reasoning fixed, do both models give the same final answer?

The paper reports 99.86 % for its pairs, which is why small may always answer there. A profile says `answerer = "large"`
for a pair where that does not hold, and the policy honours it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relaygen.calibration.collect import Recorded, Tick
from relaygen.calibration.concurrency import for_each
from relaygen.calibration.scoring import digest
from relaygen.calibration.store import Record, Store
from relaygen.calibration.transcript import Transcript
from relaygen.engines import Engine, Params, fingerprint
from relaygen.problems import final_answer
from relaygen.profile import Answers
from relaygen.relay import Relay
from relaygen.tokenizer import Tokenizer
from relaygen.types import GREEDY, LARGE, SMALL, Role

LONGEST = 1024  # tokens of one answer


async def compare_answers(
    relay: Relay,
    traces: Sequence[Recorded],
    path: Path,
    *,
    threshold: float,
    concurrency: int = 1,
    tick: Tick = lambda done: None,
) -> Answers | None:
    """Both models answer greedily after large's own reasoning, on every trace whose reasoning is complete.

    None when there is no such trace. What stands in `path` is not done again. Raises UsageError when `path` belongs to
    another pair, EngineError when a model fails.
    """
    models = {role.value: fingerprint(relay.engines[role]) for role in (LARGE, SMALL)}
    large = relay.engines[LARGE].tokenizer
    complete = [t for t in (_reasoned(trace, large) for trace in traces) if t]
    keys = [digest(t) for t in complete]
    with Store(path, {"relaygen": "answers"} | models) as store:
        known = {record["trace"]: record for record in store.records}
        missing = {key: t for key, t in zip(keys, complete, strict=True) if key not in known}
        tick(len(known))

        async def work(item: tuple[str, Transcript]) -> None:
            key, transcript = item
            answers = {role.value: await _answer(relay, role, transcript) for role in (LARGE, SMALL)}
            known[key] = {"trace": key} | answers
            store.append(known[key])
            tick(len(known))

        await for_each(missing.items(), concurrency, work)
    same = sum(_same(known[key]) for key in keys)
    return Answers(n=len(keys), same=same, threshold=threshold) if keys else None


def answerer(answers: Answers | None) -> Role:
    """Small, unless the two agreed less often than the threshold asks for. Small when nothing was compared."""
    return LARGE if answers and answers.same < answers.threshold * answers.n else SMALL


def in_vocabulary(tokenizer: Tokenizer, own: Tokenizer, ids: Sequence[int]) -> Sequence[int]:
    """`ids` of `own` in another vocabulary: as they are when it is the same, else by way of the text."""
    return ids if tokenizer.fingerprint == own.fingerprint else tokenizer.encode(own.decode(ids))


def _reasoned(trace: Recorded, tokenizer: Tokenizer) -> Transcript | None:
    """Prompt and reasoning of a trace whose reasoning ends with </think>."""
    whole = Transcript(tokenizer, trace.prompt, trace.tokens)
    length = whole.reasoning_length
    complete = trace.finish != "repetition" and whole.words(0, length).rstrip().endswith("</think>")
    return Transcript(tokenizer, trace.prompt, trace.tokens[:length]) if complete else None


async def _answer(relay: Relay, role: Role, transcript: Transcript) -> str:
    engine, own = relay.engines[role], transcript.tokenizer
    prompt = [*transcript.prompt, *transcript.tokens]
    prompt = list(in_vocabulary(engine.tokenizer, own, prompt))
    limit = min(LONGEST, engine.context - len(prompt))
    return await greedy(engine, prompt, limit) if limit > 0 else ""


async def greedy(engine: Engine, prompt: list[int], limit: int, offset: int = 0) -> str:
    """What the engine writes after `prompt` at temperature 0, at most `limit` tokens; `offset` as in Params."""
    eos = engine.tokenizer.eos_ids
    params = Params(max_tokens=limit, sampling=GREEDY, eos=eos, offset=offset)
    ids = [token.id async for token in engine.stream(prompt, params)]
    return engine.tokenizer.decode(id for id in ids if id not in eos)


def _same(record: Record) -> bool:
    large, small = final_answer(record["large"]), final_answer(record["small"])
    return large == small and large != ""
