"""Conversations to prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from relaygen.chat import ChatTemplate, messages_of
from relaygen.errors import ModelError, UsageError

# As Qwen3's template does it: a leading system message, tools in it, thoughts of earlier turns left out.
QWEN_LIKE = """
{%- set lead = messages[0].content if messages[0].role == 'system' else '' %}
{%- if tools %}
    {{- '<|im_start|>system\\n' + lead + '\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' + tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- elif lead %}
    {{- '<|im_start|>system\\n' + lead + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'system' %}
        {%- if not loop.first %}
            {{- raise_exception('System message must be at the beginning.') }}
        {%- endif %}
        {%- continue %}
    {%- endif %}
    {%- set content = message.content.split('</think>')[-1].lstrip('\\n') if message.content is string else '' %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {{- content }}
        {%- for call in message.tool_calls %}
            {{- call.function.name + ' ' + call.function.arguments | tojson }}
        {%- endfor %}
        {%- endgeneration %}
    {%- else %}
        {{- content }}
    {%- endif %}
    {{- eos_token + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
QUESTION = [{"role": "user", "content": "1+1?"}]
TOOL = {"type": "function", "function": {"name": "größe", "parameters": {"a<b": "int"}}}


@pytest.fixture
def qwen() -> ChatTemplate:
    return ChatTemplate(QWEN_LIKE, {"eos_token": "<|im_end|>"})


def render(source: str, messages: str | Sequence[Mapping[str, Any]] = "hi", **kwargs: Any) -> str:
    return ChatTemplate(source).render(messages, **kwargs)


def configured(folder: Path, **config: object) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_one_question_becomes_a_user_turn(qwen: ChatTemplate) -> None:
    assert qwen.render("1+1?") == "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"


def test_thinking_can_be_switched_off(qwen: ChatTemplate) -> None:
    assert qwen.render("1+1?", thinking=False).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_conversation_with_system_and_history(qwen: ChatTemplate) -> None:
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "<think>\neasy\n</think>\n\n2"},
        {"role": "user", "content": "Sure?"},
    ]
    assert qwen.render(history) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n"
        "<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_generation_prompt_can_be_left_out(qwen: ChatTemplate) -> None:
    assert qwen.render("1+1?", add_generation_prompt=False).endswith("<|im_end|>\n")


def test_tools_are_written_without_escapes(qwen: ChatTemplate) -> None:
    assert json.dumps(TOOL, ensure_ascii=False) in qwen.render("1+1?", tools=[TOOL])


def test_arguments_of_tool_calls_are_parsed(qwen: ChatTemplate) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    asked: dict[str, object] = {"role": "assistant", "content": None, "tool_calls": [call]}
    history: list[dict[str, object]] = [{"role": "user", "content": "1+1?"}, asked]
    history += [{"role": "tool", "content": "2", "tool_call_id": "1"}]
    assert '<|im_start|>assistant\nadd {"a": 1}<|im_end|>\n<|im_start|>tool\n2' in qwen.render(history)


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert messages_of([{"role": "user", "content": parts}])[0]["content"] == "one\ntwo"


def test_a_developer_is_the_system_where_the_template_knows_none(qwen: ChatTemplate) -> None:
    message = [{"role": "developer", "content": "Be brief."}, *QUESTION]
    assert qwen.render(message).startswith("<|im_start|>system\nBe brief.")
    assert render("{{ messages[0].role == 'developer' }}", message) == "True"


def test_the_conversation_given_is_not_changed() -> None:
    call = {"function": {"name": "add", "arguments": "{}"}}
    given = [{"role": "assistant", "tool_calls": [call]}]
    messages_of(given)
    assert given == [{"role": "assistant", "tool_calls": [call]}]
    assert call == {"function": {"name": "add", "arguments": "{}"}}


def test_blocks_leave_no_white_space() -> None:
    assert render("  {% if true %}\na\n  {% endif %}\n") == "a\n"


def test_further_arguments_reach_the_template() -> None:
    assert render("{{ effort }} {{ enable_thinking }}", effort="high", enable_thinking=False) == "high False"


def test_the_date_can_be_asked_for() -> None:
    assert render("{{ strftime_now('%Y') | length }}") == "4"


@pytest.mark.parametrize("question", ["", " \n"])
def test_a_blank_question_is_refused(question: str) -> None:
    with pytest.raises(UsageError, match="The question is empty"):
        messages_of(question)


def test_an_empty_conversation_is_refused() -> None:
    with pytest.raises(UsageError, match="no messages"):
        messages_of([])


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"role": "boss", "content": "hi"}, "Message 0 has the role 'boss'; supported are system"),
        ({"content": "hi"}, "Message 0 has the role None"),
        ({"role": "user"}, "content of message 0 should be text, not NoneType"),
        ({"role": "user", "content": 3}, "content of message 0 should be text, not int"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "Message 0 has parts that are not text"),
        ({"role": "assistant", "tool_calls": 3}, "tool calls of message 0 should be a list"),
        ({"role": "assistant", "tool_calls": [{}]}, "tool calls of message 0 are malformed: KeyError"),
        ("hi", "Message 0 should be an object with role and content, not str"),
    ],
)
def test_a_malformed_message_is_refused(message: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        messages_of([message])


def test_what_the_template_refuses_is_the_users_mistake(qwen: ChatTemplate) -> None:
    late = [*QUESTION, {"role": "system", "content": "Be brief."}]
    with pytest.raises(UsageError, match="refuses this conversation: System message must be at the beginning"):
        qwen.render(late)


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{% for i in range(10**9) %}{% endfor %}",
    ],
)
def test_a_hostile_template_reaches_nothing(attack: str) -> None:
    with pytest.raises(ModelError, match="The chat template failed"):
        render(attack)


@pytest.mark.parametrize("source", ["{{ 1/0 }}", "{{ nothing.at.all }}", "{{ 'a' + 1 }}"])
def test_a_failing_template_is_the_models_fault(source: str) -> None:
    with pytest.raises(ModelError, match="The chat template failed: "):
        render(source)


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    folder = configured(tmp_path, chat_template="\n{% nonsense %}")
    with pytest.raises(ModelError, match=r"can't be used: line 2: Encountered unknown tag 'nonsense'"):
        ChatTemplate.load(folder)


def test_the_template_file_wins_over_the_configuration(tmp_path: Path) -> None:
    folder = configured(tmp_path, chat_template="config", bos_token={"content": "<s>"}, eos_token="</s>")
    assert ChatTemplate.load(folder).render("hi") == "config"
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}file{{ eos_token }}", encoding="utf-8")
    assert ChatTemplate.load(folder).render("hi") == "<s>file</s>"


def test_named_templates_are_chosen_by_the_request(tmp_path: Path) -> None:
    templates = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]
    template = ChatTemplate.load(configured(tmp_path, chat_template=templates))
    assert template.render("hi") == "plain"
    assert template.render("hi", tools=[TOOL]) == "tools"


def test_a_folder_without_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no chat template"):
        ChatTemplate.load(tmp_path)


def test_an_unreadable_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ModelError, match="can't be read"):
        ChatTemplate.load(tmp_path)
