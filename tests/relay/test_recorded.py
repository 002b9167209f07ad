"""The same matchers on a recorded trace: they cut exactly where the live run was cut."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from tests.pairs import Listed, play

from relaygen.engines.scripted import byte_tokenizer
from relaygen.policies import Write
from relaygen.relay.run import until_with
from relaygen.types import LARGE, SMALL, Ended, Ending, Token
from relaygen.until import Matcher, chained_end, cue, sentence_end, think_end

PROMPT = "Q: <think>"
PIECES = (
    "So, ",
    "So",
    "now ",
    "snow ",
    "It ends. ",
    "3.14 ",
    "e.g. ",
    "é",
    "漢字。",
    "\n\n",
    "...",
    "5! ",
    "</think>",
    "x",
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
STEPS = (
    Write(LARGE, cue(["So,", "now"]) | think_end(), min_tokens=2),
    Write(SMALL, sentence_end() | think_end()),
    Write(SMALL, chained_end(("So,", "now")) | think_end(), max_tokens=30),
)


@given(TEXTS, st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
@example("So, it ends. So, no. x", [*STEPS[:2], *STEPS[:2]])
def test_a_matcher_on_the_recorded_tokens_cuts_where_the_live_run_did(text: str, steps: list[Write]) -> None:
    def rest(prompt: str) -> str:
        """Both models write the same text, each from where it takes over."""
        return text[len(prompt) - len(PROMPT) :]

    played = play(Listed(steps, []), rest, rest, prompt=PROMPT)
    ids, start = byte_tokenizer().encode(text), 0
    pieces = [event.segment for event in played.events if isinstance(event, Ended) and not event.segment.inserted]
    for step, piece in zip(steps, pieces, strict=False):
        if not piece.thinking:
            break
        before = PROMPT + byte_tokenizer().decode(ids[:start])
        matcher = Matcher(
            until_with(step.until, thinking=True, stop=()), byte_tokenizer(), before=before, min_tokens=step.min_tokens
        )
        limit = len(ids) if step.max_tokens is None else min(len(ids), start + step.max_tokens)
        fed = next((i for i in range(start, limit) if matcher.feed(Token(ids[i]))), None)
        end = limit if fed is None else fed + 1 - (matcher.fired.give_back if matcher.fired else 0)
        # At the end of the text the live run saw an end of sequence behind it.
        if piece.ending in (Ending.CUE, Ending.THINK_END, Ending.TOKENS) or fed is not None:
            assert (start + len(piece.tokens), piece.tokens) == (end, tuple(ids[start:end]))
        start += len(piece.tokens)
