"""Reasoning, answer and calls of tools, however the text is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from relaygen.serve.parts import CONTENT, REASONING, Splitter, ToolReader

PIECES = st.text(alphabet="<>/think_ab\n", max_size=30)
THOUGHTS = PIECES.filter(lambda text: "</think>" not in text and not text.startswith("<think>"))


def split(text: str, thinking: int, cuts: list[int]) -> tuple[str, str]:
    """Feeds `text`, of which the first `thinking` characters are thought, cut at `cuts`; returns both kinds."""
    splitter = Splitter()
    places = sorted({0, thinking, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    parts = [part for begin, end in pairwise(places) for part in splitter.feed(text[begin:end], begin < thinking)]
    parts += splitter.finish()
    reasoning, content = ("".join(p.text for p in parts if p.kind == kind) for kind in (REASONING, CONTENT))
    return reasoning, content


@given(
    PIECES.filter(lambda t: "</think>" not in t and not t.startswith("<think>")), PIECES, st.lists(st.integers(0, 99))
)
def test_the_tags_go_and_everything_else_stays(thought: str, answer: str, cuts: list[int]) -> None:
    for opening in ("", "<think>"):
        whole = f"{opening}{thought}</think>{answer}"
        assert split(whole, len(opening + thought + "</think>"), cuts) == (thought, answer)


@given(THOUGHTS, st.lists(st.integers(0, 99)))
def test_a_thought_that_is_cut_off_stays_whole(thought: str, cuts: list[int]) -> None:
    assert split(thought, len(thought), cuts) == (thought, "")


@given(PIECES, st.lists(st.integers(0, 99)))
def test_without_thinking_everything_is_answer(text: str, cuts: list[int]) -> None:
    assert split(text, 0, cuts) == ("", text)


def test_what_the_relay_inserts_behind_the_tag_is_answer() -> None:
    text = "Hm\n</think>\n\n"
    assert split(text, len(text), []) == ("Hm\n", "\n\n")


def read(text: str, step: int) -> tuple[str, list[str]]:
    reader = ToolReader()
    shown = "".join(reader.feed(text[i : i + step]) for i in range(0, len(text), step))
    rest, calls = reader.finish()
    return shown + rest, [call["name"] for call in calls]


@given(st.integers(1, 40))
def test_calls_come_out_of_the_answer(step: int) -> None:
    text = 'Wait.<tool_call>{"name": "a", "arguments": {}}</tool_call>\n<tool_call>{"name": "b"}</tool_call>\n'
    assert read(text, step) == ("Wait.", ["a", "b"])


@given(st.text(alphabet='<tool_call>/{}"name:', max_size=60), st.integers(1, 9))
def test_text_that_holds_no_call_stays_whole(text: str, step: int) -> None:
    assert read(text, step) == (text, [])
    broken = text + "<tool_call>{}</tool_call>"
    assert read(broken, step) == (broken, [])
