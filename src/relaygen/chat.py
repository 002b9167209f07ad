"""Conversations to prompts: the chat template that comes with a model, in a sandbox.

A template is a foreign program. It runs in jinja2's immutable sandbox with the names that Hugging Face templates
expect, sees the conversation and nothing else, and is run once, before the first token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from relaygen.errors import ModelError, UsageError
from relaygen.files import read_json

ROLES = ("system", "developer", "user", "assistant", "tool")

Message = dict[str, Any]
# What a template may raise besides jinja2's own errors: its expressions are Python's.
FAILURES = (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class ChatTemplate:
    """Renders conversations as one model was trained to read them."""

    def __init__(
        self, source: str, variables: Mapping[str, str] | None = None, *, with_tools: str | None = None
    ) -> None:
        """`variables` are `bos_token` and the like; `with_tools` is the template for requests that bring tools.

        Raises ModelError when a template has a syntax error.
        """
        self._variables = dict(variables or {})
        environment = _environment()
        self._plain, self._with_tools = (_compiled(environment, text) for text in (source, with_tools or source))
        self._knows_developer = "developer" in source

    @classmethod
    def load(cls, folder: str | Path) -> ChatTemplate:
        """From `chat_template.jinja`, or else from `chat_template` in `tokenizer_config.json`.

        Raises ModelError when the folder has no template, or a broken one.
        """
        folder = Path(folder)
        config = read_json(folder / "tokenizer_config.json")
        templates = _templates(folder, config)
        if "default" not in templates:
            raise ModelError(f"{folder} has no chat template; put one into chat_template.jinja.")
        try:
            return cls(templates["default"], _special_tokens(config), with_tools=templates.get("tool_use"))
        except ModelError as error:
            raise ModelError(f"The chat template in {folder} can't be used: {error}") from error

    def render(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        thinking: bool = True,
        add_generation_prompt: bool = True,
        **kwargs: object,
    ) -> str:
        """The prompt for a conversation (or one question), up to where the model takes over.

        `tools` are JSON schemas as in OpenAI's interface; `kwargs` are handed to the template and win over the rest.
        Raises UsageError for a conversation that is malformed or that the template refuses, ModelError when the
        template fails.
        """
        conversation = messages_of(messages)
        if not self._knows_developer:
            conversation = [_as_system(message) for message in conversation]
        variables: dict[str, object] = {
            **self._variables,
            "messages": conversation,
            "tools": list(tools) if tools else None,
            "add_generation_prompt": add_generation_prompt,
            # Qwen and most others ask for the first name, DeepSeek and Granite for the second.
            "enable_thinking": thinking,
            "thinking": thinking,
        }
        template = self._with_tools if tools else self._plain
        try:
            return template.render(variables | kwargs)
        except FAILURES as error:
            raise ModelError(f"The chat template failed: {str(error) or type(error).__name__}") from error


def messages_of(question: str | Sequence[Mapping[str, Any]]) -> list[Message]:
    """A checked copy of a conversation; a string becomes one user message.

    Text parts of a content are joined by line breaks, arguments of tool calls parsed. Raises UsageError, with one
    sentence, for a blank question, an empty conversation and a malformed message.
    """
    if isinstance(question, str):
        if not question.strip():
            raise UsageError("The question is empty.")
        return [{"role": "user", "content": question}]
    messages = [_message(i, message) for i, message in enumerate(question)]
    if not messages:
        raise UsageError("The conversation has no messages.")
    return messages


def _message(index: int, message: Mapping[str, Any]) -> Message:
    if not isinstance(message, Mapping):
        raise UsageError(f"Message {index} should be an object with role and content, not {type(message).__name__}.")
    role = message.get("role")
    if role not in ROLES:
        raise UsageError(f"Message {index} has the role {role!r}; supported are {', '.join(ROLES)}.")
    checked = dict(message)
    if calls := message.get("tool_calls"):
        checked["tool_calls"] = _tool_calls(index, calls)
    # Only a message that is nothing but tool calls may come without content.
    if not (calls and message.get("content") is None):
        checked["content"] = _text(index, message.get("content"))
    return checked


def _text(index: int, content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise UsageError(f"The content of message {index} should be text, not {type(content).__name__}.")
    texts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
    strings = [text for text in texts if isinstance(text, str)]
    if len(strings) != len(content):
        raise UsageError(f"Message {index} has parts that are not text; these models read text only.")
    return "\n".join(strings)


def _tool_calls(index: int, calls: object) -> list[Message]:
    """Templates want the arguments as an object; OpenAI's interface sends them as JSON text."""
    if not isinstance(calls, list):
        raise UsageError(f"The tool calls of message {index} should be a list, not {type(calls).__name__}.")
    try:
        return [_tool_call(call) for call in calls]
    except (TypeError, ValueError, LookupError) as error:
        raise UsageError(f"The tool calls of message {index} are malformed: {error!r}.") from error


def _tool_call(call: Mapping[str, Any]) -> Message:
    function = call["function"]
    arguments = function["arguments"]
    parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {**call, "function": {**function, "arguments": parsed}}


def _as_system(message: Message) -> Message:
    """For a template that would drop the newer name of the system's role without a word."""
    return message | {"role": "system"} if message["role"] == "developer" else message


def _templates(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """The templates of a folder by name."""
    listed = config.get("chat_template")
    if isinstance(listed, list):
        templates = {
            t["name"]: t["template"] for t in listed if isinstance(t, dict) and t.keys() >= {"name", "template"}
        }
    else:
        templates = {"default": listed} if isinstance(listed, str) else {}
    path = folder / "chat_template.jinja"
    try:
        return templates | ({"default": path.read_text(encoding="utf-8")} if path.is_file() else {})
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """`bos_token` and the like; a token stands in the file as a string or as an object with its content."""
    named = {key: value for key, value in config.items() if key.endswith("_token")}
    contents = {key: value.get("content") if isinstance(value, dict) else value for key, value in named.items()}
    return {key: content for key, content in contents.items() if isinstance(content, str)}


class _Sandbox(ImmutableSandboxedEnvironment):
    def unsafe_undefined(self, obj: object, attribute: str) -> jinja2.Undefined:
        """Raises at once, where jinja2 would print nothing in the attribute's place."""
        raise SecurityError(f"access to attribute {attribute!r} of {type(obj).__name__!r} object is unsafe.")


def _environment() -> jinja2.Environment:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation])
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
    return environment


def _compiled(environment: jinja2.Environment, source: str) -> jinja2.Template:
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ModelError(f"line {error.lineno}: {error.message}") from error


class _Generation(Extension):
    """`{% generation %}` marks for training what the assistant wrote; here it only lets its body through."""

    tags = {"generation"}  # noqa: RUF012  # jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(value: object, **options: Any) -> str:
    # jinja2's own filter escapes for HTML and for ASCII, which models were not trained on.
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _refuse(reason: str) -> None:
    raise UsageError(f"The chat template refuses this conversation: {reason}")


def _now(pattern: str) -> str:
    return datetime.now().strftime(pattern)
