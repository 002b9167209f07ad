"""What has to hold between us and a server, tried out: each probe gives a verdict and, where needed, what to change."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import NamedTuple

import anyio

from relaygen.engines.base import Engine, Params
from relaygen.engines.openai.engine import ServerEngine
from relaygen.errors import EngineError, RelayError, UsageError
from relaygen.types import GREEDY, Sampling, Token

SAMPLE = "Wait, 3.14 isn't 22/7…\n\n\tSo x² = 10 😀, i.e. DON'T round!  Thus:\n1. çà 東京</think>"
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4."},
    {"role": "user", "content": "And 3 + 3? 😀"},
]
LENGTHS = (300, 317, 331, 400)
"""Prompts whose cached parts have, for every usual block size, just that as greatest common divisor."""
PIECE, PIECES = 6, 4
NEAR = 0.02  # difference in probability that rounding may make
PATIENCE, SOON = 3.0, 0.5  # seconds for an abort to show


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """The result of one probe."""

    probe: str
    verdict: Verdict
    detail: str


Probe = Callable[[ServerEngine], Awaitable[tuple[Verdict, str]]]


async def findings(engine: Engine) -> AsyncIterator[Finding]:
    """Runs all probes that fit an engine. A probe that can't be run has failed; the next one is tried all the same."""
    if not isinstance(engine, ServerEngine):
        yield Finding("model", Verdict.OK, f"{engine.name}, in this process, context {engine.context}")
        return
    yield _model(engine)
    for name, probe in PROBES.items():
        if engine.exact:
            try:
                yield Finding(name, *await probe(engine))
            except RelayError as error:
                yield Finding(name, Verdict.FAILED, str(error))


def pair_findings(large: Engine, small: Engine) -> list[Finding]:
    """What must fit between the two models."""
    a, b = large.tokenizer, small.tokenizer
    if any(isinstance(engine, ServerEngine) and not engine.exact for engine in (large, small)):
        vocabulary = Finding("vocabulary", Verdict.WARNING, "text is handed over: a server of this pair gives no ids")
    elif a.fingerprint == b.fingerprint:
        vocabulary = Finding("vocabulary", Verdict.OK, f"the same {a.vocab_size} tokens: ids are handed over")
    else:
        common = min(a.vocab_size, b.vocab_size)
        same = sum(a.piece(id) == b.piece(id) for id in range(common))
        detail = f"{same} of {common} ids mean the same: text is handed over, and each model re-encodes it"
        vocabulary = Finding("vocabulary", Verdict.WARNING, detail)
    room = min(large.context, small.context)
    context = Finding("context", Verdict.OK, f"{room} tokens, the shorter of {large.context} and {small.context}")
    missing = large.template is None and small.template is None
    template = [Finding("template", Verdict.FAILED, "neither model has a chat template; give a tokenizer folder")]
    return [vocabulary, context, *(template if missing else [])]


def _model(engine: ServerEngine) -> Finding:
    count = len(engine.clients)
    what = f"{engine.name} on {engine.dialect.name}, context {engine.context}" + (f", {count} servers" * (count > 1))
    if engine.exact:
        return Finding("model", Verdict.OK, what)
    return Finding("model", Verdict.WARNING, f"{what}; text goes over the wire, token counts are those of its pieces")


async def _tokens(engine: ServerEngine) -> tuple[Verdict, str]:
    theirs = await engine.dialect.tokenize(engine.clients[0], engine.served.model, SAMPLE)
    ours = engine.tokenizer.encode(SAMPLE)
    if theirs != ours:
        return Verdict.FAILED, f"the server's ids differ from those of {engine.settings.tokenizer}: name its own folder"
    return Verdict.OK, f"{len(ours)} ids equal those of the local tokenizer"


async def _template(engine: ServerEngine) -> tuple[Verdict, str]:
    if engine.template is None:
        return Verdict.SKIPPED, "there is no local template; the other model's is used, or give a tokenizer folder"
    for thinking in (True, False):
        ours = engine.tokenizer.encode(engine.template.render(CHAT, thinking=thinking))
        if await engine.dialect.render(engine.clients[0], engine.served.model, CHAT, thinking) != ours:
            mode = "on" if thinking else "off"
            return Verdict.WARNING, f"the server renders a chat otherwise (thinking {mode}); the local template is used"
    return Verdict.OK, "local and server rendering are equal, thinking on and off"


async def _segments(engine: ServerEngine) -> tuple[Verdict, str]:
    prompt = _prompt(engine)
    whole = [token.id for token in await _write(engine, prompt, PIECE * PIECES)]
    ids: list[int] = []
    while len(ids) < len(whole):
        ids += [token.id for token in await _write(engine, prompt + ids, min(PIECE, len(whole) - len(ids)))]
    if ids == whole:
        return Verdict.OK, f"{len(whole)} greedy tokens are the same in one piece and in {PIECES}; the prompt is kept"
    same = next(i for i, (a, b) in enumerate(zip(ids, whole, strict=False)) if a != b)
    return Verdict.WARNING, f"greedy text differs after {same} tokens when it is cut: a near tie, or unstable kernels"


async def _logprobs(engine: ServerEngine) -> tuple[Verdict, str]:
    advice = "start the server so that it returns the model's own: margins work at temperature 0 and 1 only"
    warm = Sampling(temperature=0.5, top_k=0, top_p=1.0)
    try:
        cold, hot = [(await _write(engine, _prompt(engine), 1, sampling))[0].top for sampling in (GREEDY, warm)]
    except UsageError:
        return Verdict.WARNING, f"log-probabilities are divided by the temperature; {advice}"
    if abs(math.exp(cold[0].logprob) - math.exp(hot[0].logprob)) > NEAR:
        return Verdict.WARNING, f"log-probabilities change with the temperature; {advice}"
    return Verdict.OK, "the model's own, at any temperature"


async def _cache(engine: ServerEngine) -> tuple[Verdict, str]:
    filler = engine.tokenizer.encode(f"{time.time_ns()} " + SAMPLE * 40)
    found: list[int] = []
    for length in LENGTHS:
        if length + 2 > engine.context:
            break
        cached = [await _cached(engine, filler[:length]) for _ in range(2)][-1]
        if cached is None:
            return Verdict.SKIPPED, "not reported; vLLM: --enable-prompt-tokens-details, SGLang: --enable-cache-report"
        found.append(cached)
    block = math.gcd(*found)
    if not block:
        return Verdict.WARNING, "a prompt that was just read is read again: switch prefix caching on"
    advice = "" if block <= 32 else "; smaller blocks save reading after a hand-over (vLLM: --block-size)"
    return Verdict.OK, f"prompts are reused in blocks of {block} token{'s' * (block > 1)}{advice}"


async def _abort(engine: ServerEngine) -> tuple[Verdict, str]:
    client = engine.clients[0]
    before = await engine.dialect.running(client)
    if before is None:
        return Verdict.SKIPPED, "the server shows no metrics (llama-server: --metrics, SGLang: --enable-metrics)"
    prompt = _prompt(engine)
    params = Params(max_tokens=min(512, engine.context - len(prompt)), sampling=GREEDY)
    async with aclosing(engine.stream(prompt, params)) as stream:
        for _ in range(8):
            await anext(stream)
    began = time.monotonic()
    while (took := time.monotonic() - began) < PATIENCE:
        if (await engine.dialect.running(client) or 0) <= before:
            verdict = Verdict.OK if took < SOON else Verdict.WARNING
            return verdict, f"an aborted request is gone after {took:.2f} s"
        await anyio.sleep(0.02)
    return Verdict.FAILED, f"an aborted request still runs after {PATIENCE:g} s: a newer server is needed"


async def _score(engine: ServerEngine) -> tuple[Verdict, str]:
    prompt = _prompt(engine)
    written = await _write(engine, prompt, PIECE)
    try:
        scored = await engine.score(prompt + [token.id for token in written], len(prompt))
    except UsageError as error:
        return Verdict.SKIPPED, str(error)
    off = max(abs(math.exp(a.logprob) - math.exp(b.logprob)) for a, b in zip(written, scored, strict=True))
    if off > NEAR:
        return Verdict.WARNING, f"scores differ from generation by up to {off:.3f} in probability"
    return Verdict.OK, f"scores agree with generation within {off:.4f} in probability"


PROBES: dict[str, Probe] = {
    "tokens": _tokens,
    "template": _template,
    "segments": _segments,
    "log-probabilities": _logprobs,
    "prefix cache": _cache,
    "abort": _abort,
    "scoring": _score,
}


def _prompt(engine: ServerEngine) -> list[int]:
    text = engine.template.render(CHAT) if engine.template else SAMPLE
    return engine.tokenizer.encode(text)


async def _write(engine: ServerEngine, prompt: Sequence[int], count: int, sampling: Sampling = GREEDY) -> list[Token]:
    params = Params(max_tokens=count, sampling=sampling, eos=engine.tokenizer.eos_ids, top=True)
    tokens = [token async for token in engine.stream(prompt, params)]
    if not tokens:
        raise EngineError(f"{engine.name} wrote nothing.")
    return tokens


async def _cached(engine: ServerEngine, prompt: list[int]) -> int | None:
    """Prompt tokens that came from the cache; None when the server does not say."""
    cached, reports = engine.counts.cached, engine.counts.reports
    async for _ in engine.stream(prompt, Params(max_tokens=1, sampling=GREEDY)):
        pass
    return engine.counts.cached - cached if engine.counts.reports > reports else None
