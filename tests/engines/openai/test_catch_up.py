"""A llama-server whose stream has lost ids that its text does not tell."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from tests.engines.openai.fakes import settings
from tests.engines.openai.test_parts import merging

from relaygen.engines.base import Params
from relaygen.engines.openai import ServerEngine
from relaygen.types import GREEDY

SMILE = "😀".encode()
AMBIGUOUS = merging((SMILE[:1], SMILE[1:2]), (SMILE[1:2], SMILE[2:3]))
WHOLE = [97, 256, SMILE[2], SMILE[3], *range(98, 123)]


class Lossy:
    """Streams the tokens behind the prompt, without those that end inside a character."""

    def __init__(self) -> None:
        self.streamed: list[bool] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models":
            return httpx2.Response(200, json={"data": [{"id": "m", "owned_by": "llamacpp"}]})
        if request.url.path == "/props":
            return httpx2.Response(200, json={"default_generation_settings": {"n_ctx": 100}})
        body = json.loads(request.content)
        self.streamed.append(body["stream"])
        rest = WHOLE[len(body["prompt"]) - 1 :][: body["n_predict"]]
        end = {"stop": True, "stop_type": "limit", "tokens": []}
        if not body["stream"]:
            return httpx2.Response(200, json=end | {"tokens": rest})
        lines = [f"data: {json.dumps(event)}\n\n" for event in (*self.events(rest), end)]
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content="".join(lines).encode())

    def events(self, ids: list[int]) -> list[dict[str, Any]]:
        stream, events, held = AMBIGUOUS.stream(), [], ""
        for count, id in enumerate(ids, 1):
            held += stream.feed(id)
            if not stream.pending:
                row = {"id": id, "logprob": -0.1}
                event = {"tokens": [id], "content": held, "tokens_predicted": count}
                events.append(event | {"completion_probabilities": [row]})
                held = ""
        return events


@pytest.mark.anyio
async def test_the_next_tokens_come_in_one_piece_and_the_stream_goes_on_behind_them() -> None:
    server = Lossy()
    transport = httpx2.MockTransport(server)
    engine = ServerEngine("http://a:1", settings(), tokenizer=AMBIGUOUS, transport=transport)
    params = Params(max_tokens=len(WHOLE), sampling=GREEDY)
    assert [token.id async for token in engine.stream([1], params)] == WHOLE
    assert server.streamed == [True, False, True]
