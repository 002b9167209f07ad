"""Where to stop: conditions that combine with `|`, and the matcher that watches a segment with them."""

from relaygen.until.base import Condition, Fired, Matcher, Until, View, Watch
from relaygen.until.chained import chained_end
from relaygen.until.cue import CueCondition, cue
from relaygen.until.sentence import SentenceCondition, behind_sentence, paragraph_end, sentence_end
from relaygen.until.simple import (
    THINK_END,
    TextCondition,
    ThinkEndCondition,
    margin_below,
    text,
    think_end,
    tokens,
)

__all__ = [
    "THINK_END",
    "Condition",
    "CueCondition",
    "Fired",
    "Matcher",
    "SentenceCondition",
    "TextCondition",
    "ThinkEndCondition",
    "Until",
    "View",
    "Watch",
    "behind_sentence",
    "chained_end",
    "cue",
    "margin_below",
    "paragraph_end",
    "sentence_end",
    "text",
    "think_end",
    "tokens",
]
