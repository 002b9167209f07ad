"""What the log says, and what it keeps to itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.serve.pair import Live, live, make_relay

from relaygen.serve import ServeSettings
from relaygen.serve.log import JsonLines

SECRET = "What is the secret of Anna Blume?"
BODY = {"model": "relay", "messages": [{"role": "user", "content": SECRET}], "user": "Anna Blume"}


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler, logger = Lines(), logging.getLogger("relaygen.serve")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def last(lines: list[str]) -> dict[str, Any]:
    line = json.loads(lines[-1])
    assert isinstance(line, dict)
    return line


def ask(gateway: Live, **fields: Any) -> httpx2.Response:
    headers = {"x-request-id": "r-1"}
    return httpx2.post(f"{gateway.url}/v1/chat/completions", json=BODY | fields, headers=headers)


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"model": "no such"}, {"n": 0}, {"temperature": "hot"}])
def test_neither_prompts_nor_completions_are_written(lines: list[str], fields: dict[str, Any]) -> None:
    with live(make_relay()) as gateway:
        ask(gateway, **fields)
    assert "Blume" not in "".join(lines)
    assert last(lines)["request_id"] == "r-1"


def test_a_line_tells_who_asked_for_what_and_what_it_took(lines: list[str]) -> None:
    with live(make_relay()) as gateway:
        reply = ask(gateway)
    line = last(lines)
    assert (line["event"], line["level"], line["status"], line["key"]) == ("request", "info", 200, "-")
    assert (line["model"], line["policy"]) == ("relay", "relaygen")
    assert line["usage"]["relay"]["large_tokens"] == reply.json()["usage"]["relay"]["large_tokens"]


def test_text_is_written_when_it_is_asked_for(lines: list[str]) -> None:
    with live(make_relay(), ServeSettings(log_text=True)) as gateway:
        ask(gateway)
    line = last(lines)
    assert line["request"]["messages"][0]["content"] == SECRET
    assert "42 🙂" in line["completions"][0]


def test_strange_request_ids_are_replaced(gateway: Live) -> None:
    reply = httpx2.get(f"{gateway.url}/health", headers={"x-request-id": "a b<script>"})
    assert reply.headers["x-request-id"].isalnum()
