"""How each server writes its answers, after their sources as of November 2026."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.engines.openai.fakes import TOKENIZER, FakeServer

Json = dict[str, Any]
LOGPROB, SECOND = -0.1, -2.5  # of every token, and of the next id
OTHER = 7  # what is added to an id to get its runner-up


def other(id: int) -> int:
    return (id + OTHER) % 256


def vllm_or_sglang(server: FakeServer, body: Json) -> Iterator[Json]:
    if server.dialect == "text":
        yield from text(server, body)
        return
    if "prompt_logprobs" in body:
        yield _scores(body)
        return
    if not body.get("stream"):  # warming
        yield {"choices": [{"token_ids": [97], "finish_reason": "length"}]}
        return
    answer = server.answer(body["prompt"], body["max_tokens"], body["stop_token_ids"], body["stop"])
    groups = list(_groups(answer.ids, server.group))
    for i, ids in enumerate(groups):
        last = i == len(groups) - 1
        choice: Json = {"index": 0, "text": "late", "token_ids": ids, "finish_reason": None}
        if (count := body.get("logprobs")) is not None:
            choice["logprobs"] = {
                "token_logprobs": [LOGPROB] * len(ids),
                "top_logprobs": [
                    {f"token_id:{id}": LOGPROB, f"token_id:{other(id)}": SECOND} if count else {} for id in ids
                ],
            }
        if i == 0:
            choice["prompt_token_ids"] = [id + server.shift for id in body["prompt"]]
        if last:
            choice["finish_reason"] = "length" if answer.finish == "length" else "stop"
            choice["stop_reason" if server.dialect == "vllm" else "matched_stop"] = answer.matched
        yield {"choices": [choice]}
    details = {"cached_tokens": server.cached(body["prompt"])} if server.caches else None
    yield {"choices": [], "usage": {"prompt_tokens_details": details}}


def native_sglang(server: FakeServer, body: Json) -> Iterator[Json]:
    """Each event holds everything so far."""
    asked = body["sampling_params"]
    if not body.get("stream"):
        yield _sglang_scores(body) if "logprob_start_len" in body else _sglang_one(asked)
        return
    answer = server.answer(body["input_ids"], asked["max_new_tokens"], asked["stop_token_ids"], asked["stop"])
    done: list[int] = []
    for ids in _groups(answer.ids, server.group):
        done += ids
        last = len(done) == len(answer.ids)
        reason = {"type": "length" if answer.finish == "length" else "stop", "matched": answer.matched}
        yield {
            "output_ids": list(done),
            "meta_info": {
                "completion_tokens": len(done),
                "output_token_logprobs": [[LOGPROB, id, None] for id in done],
                "output_top_logprobs": [[[LOGPROB, id, None], [SECOND, other(id), None]] for id in done],
                "finish_reason": reason if last else None,
                "cached_tokens": server.cached(body["input_ids"]) if last and server.caches else None,
            },
        }


def llama(server: FakeServer, body: Json) -> Iterator[Json]:
    """Ids of tokens that end inside a character are not streamed, and special tokens have no text."""
    answer = server.answer(body["prompt"], body["n_predict"], [], body.get("stop", []))
    kind = {"length": "limit", "eos": "eos", "stop": "word"}[answer.finish]
    if not body.get("stream"):
        yield {"tokens": answer.ids, "stop": True, "stop_type": kind}
        return
    stream = TOKENIZER.stream()
    held = ""
    for count, id in enumerate(answer.ids, 1):
        held += stream.feed(id) if id < 256 or TOKENIZER.decode([id]) in body["preserved_tokens"] else ""
        if stream.pending:
            continue
        candidates = [{"id": id, "logprob": LOGPROB}, {"id": other(id), "logprob": SECOND}]
        row = {"id": id, "logprob": LOGPROB, "top_logprobs": candidates[: body["n_probs"]]}
        yield {"tokens": [id], "content": held, "tokens_predicted": count, "completion_probabilities": [row]}
        held = ""
    cached = server.cached(body["prompt"])
    yield {
        "tokens": [],
        "content": "",
        "stop": True,
        "stop_type": kind,
        "timings": {"cache_n": cached if server.caches else 0},
    }


def text(server: FakeServer, body: Json) -> Iterator[Json]:
    answer = server.answer(body["prompt"], body["max_tokens"], [], [])
    for piece in _pieces(answer.ids, server.group):
        yield {"choices": [{"text": piece, "finish_reason": None}]}
    yield {"choices": [{"text": "", "finish_reason": "length" if answer.finish == "length" else "stop"}]}


def ollama(server: FakeServer, body: Json) -> Iterator[Json]:
    assert body["raw"]
    answer = server.answer(body["prompt"], body["options"]["num_predict"], [], [])
    for piece in _pieces(answer.ids, server.group):
        yield {"response": piece, "done": False}
    yield {"response": "", "done": True, "done_reason": "length" if answer.finish == "length" else "stop"}


def _pieces(ids: list[int], group: int) -> Iterator[str]:
    """The text of an answer; the end of sequence is not shown."""
    shown = TOKENIZER.decode(id for id in ids if id not in TOKENIZER.eos_ids)
    for start in range(0, len(shown), group):
        yield shown[start : start + group]


def _groups(ids: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _scores(body: Json) -> Json:
    rows = [{str(id): {"logprob": LOGPROB, "rank": 1}, str(other(id)): {"logprob": SECOND}} for id in body["prompt"]]
    return {"choices": [{"prompt_logprobs": [None, *rows[1:]]}]}


def _sglang_scores(body: Json) -> Json:
    ids = body["input_ids"][body["logprob_start_len"] :]
    chosen = [[LOGPROB, id, None] for id in ids]
    tops = [[[LOGPROB, id, None], [SECOND, other(id), None]] for id in ids]
    meta = {"input_token_logprobs": [[None, ids[0], None], *chosen[1:]], "input_top_logprobs": [None, *tops[1:]]}
    return {"meta_info": meta}


def _sglang_one(asked: Json) -> Json:
    """One token of a server that divides by the temperature."""
    gap = 2.0 / (asked["temperature"] or 1.0)
    return {"meta_info": {"output_top_logprobs": [[[-0.1, 1, None], [-0.1 - gap, 2, None]]]}}


EVENTS: dict[str, Callable[[FakeServer, Json], Iterator[Json]]] = {
    "/v1/completions": vllm_or_sglang,
    "/generate": native_sglang,
    "/completion": llama,
    "/api/generate": ollama,
}
