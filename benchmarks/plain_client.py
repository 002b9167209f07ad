"""The plain way to relay between two servers, to compare with: one blocking chat request a segment.

It does what the published script is described to do, flaws included: the server cuts at stop strings, every segment
asks for the list of models again and sends the whole conversation as text, with what was written so far as an
unfinished message of the assistant. Large writes to a cue (at least five tokens), small to the end of its sentence;
`</think>` ends the reasoning stage, and small writes the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletion

LARGE, SMALL = "large", "small"
END = "</think>"
ENDERS = (".", "!", "?", "\n\n")
MIN_TOKENS = 5


@dataclass
class Reply:
    """What came out, and of how many requests."""

    text: str = ""
    tokens: int = 0
    requests: int = 0


class PlainClient:
    """`urls` by role."""

    def __init__(self, urls: dict[str, str], cues: Sequence[str]) -> None:
        self._clients = {role: OpenAI(base_url=url, api_key="none", max_retries=0) for role, url in urls.items()}
        self._stops = {LARGE: [END, *cues], SMALL: [END, *ENDERS]}

    def generate(self, question: str, budget: int) -> Reply:
        """One answer, greedily."""
        reply, role = Reply(), LARGE
        while END not in reply.text and reply.tokens < budget:
            piece, stopped = self._segment(role, question, reply, self._stops[role], budget)
            if not piece or (not stopped and END not in piece):
                break
            if stopped:
                role = SMALL if role == LARGE else LARGE
        if END not in reply.text:
            reply.text += "\n" + END
            reply.tokens += 1
        if reply.tokens < budget:
            self._segment(SMALL, question, reply, [], budget)
        return reply

    def follow(self, question: str, segments: Sequence[tuple[str, str, int]]) -> Reply:
        """The same requests for segments that are known (role, text, tokens): so many tokens each, and the known text
        goes on. What it costs to ask like this, whatever it does to the text."""
        reply = Reply()
        for role, text, tokens in segments:
            exactly = {"min_tokens": tokens, "ignore_eos": True}
            answer = self._ask(role, question, reply.text, tokens, self._stops[role], exactly)
            reply.tokens += answer.usage.completion_tokens if answer.usage else 0
            reply.text += text
            reply.requests += 1
        return reply

    def _segment(self, role: str, question: str, reply: Reply, stops: list[str], budget: int) -> tuple[str, bool]:
        left = budget - reply.tokens
        shortest = min(MIN_TOKENS, left) if stops and role == LARGE else 0
        answer = self._ask(role, question, reply.text, left, stops, {"min_tokens": shortest})
        choice = answer.choices[0]
        piece = choice.message.content or ""
        reply.text += piece
        reply.tokens += answer.usage.completion_tokens if answer.usage else 0
        reply.requests += 1
        return piece, choice.finish_reason == "stop" and any(piece.endswith(stop) for stop in stops)

    def _ask(
        self, role: str, question: str, text: str, tokens: int, stops: list[str], more: dict[str, Any]
    ) -> ChatCompletion:
        client = self._clients[role]
        messages = [{"role": "user", "content": question}] + [{"role": "assistant", "content": text}] * bool(text)
        extra = {
            "add_generation_prompt": not text,
            "continue_final_message": bool(text),
            "include_stop_str_in_output": True,
            "skip_special_tokens": False,  # in this vocabulary the thinking tags are special tokens
            "chat_template_kwargs": {"enable_thinking": True},
        }
        return client.chat.completions.create(
            model=client.models.list().data[0].id,
            messages=messages,  # type: ignore[arg-type]
            max_tokens=tokens,
            temperature=0,
            stop=stops or None,
            extra_body=extra | more,
        )
