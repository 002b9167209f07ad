"""Log-probabilities in OpenAI's two shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relaygen.engines import Engine
from relaygen.types import Role, Token

LOWEST = -9999.0  # JSON has no infinity; OpenAI writes this for what can't happen

Written = Sequence[tuple[Role, Token]]


def for_chat(engines: Mapping[Role, Engine], tokens: Written, top: int) -> dict[str, Any]:
    """`logprobs` of a chat choice: every token of the completion, reasoning included."""
    return {
        "content": [
            _entry(engines[role], token.id, token.logprob)
            | {"top_logprobs": [_entry(engines[role], c.id, c.logprob) for c in token.top[:top]]}
            for role, token in tokens
        ],
        "refusal": None,
    }


def for_completion(engines: Mapping[Role, Engine], tokens: Written, top: int, offset: int) -> dict[str, Any]:
    """`logprobs` of a completion choice; `offset` is where the text of the first token begins."""
    texts = [_text(engines[role], token.id) for role, token in tokens]
    tops = [{_text(engines[role], c.id): _finite(c.logprob) for c in token.top[:top]} for role, token in tokens]
    offsets = [offset]
    for text in texts:
        offsets.append(offsets[-1] + len(text))
    return {
        "tokens": texts,
        "token_logprobs": [_finite(token.logprob) for _, token in tokens],
        "top_logprobs": tops if top else None,
        "text_offset": offsets[:-1],
    }


def _entry(engine: Engine, id: int, logprob: float) -> dict[str, Any]:
    return {"token": _text(engine, id), "logprob": _finite(logprob), "bytes": list(engine.tokenizer.piece(id))}


def _text(engine: Engine, id: int) -> str:
    return engine.tokenizer.piece(id).decode("utf-8", errors="replace")


def _finite(logprob: float) -> float:
    return logprob if logprob > LOWEST else LOWEST  # in this order it also replaces NaN
