"""Finding the final answer in a completion, and comparing texts."""

from __future__ import annotations

import re
import unicodedata

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
LETTER = r"(?:\$|\*|\\text(?:bf)?\{|\\mathrm\{|\(|\[)*([A-J])(?![A-Za-z'])(?:\}|\)|\]|\*|\$)*"
SAID = re.compile(rf"(?:answer|choice|option)\b(?:\s+(?:is|was|choice|option))*\s*[:=]?\s*{LETTER}", re.IGNORECASE)
ALONE = re.compile(rf"\s*{LETTER}\s*(?:[.):].*)?", re.DOTALL)


def boxed(text: str) -> str | None:
    """What stands in the last complete `\\boxed{}`, nested braces included; None without one."""
    for match in reversed(list(BOX.finditer(text))):
        if (end := _closing(text, match.end())) is not None:
            return text[match.end() : end].strip()
    return None


def final_line(text: str) -> str:
    """The last line that holds anything."""
    return (text.strip().splitlines() or [""])[-1].strip()


def letter(text: str, choices: list[str]) -> str | None:
    """The option that an answer names: in a box, in words, as a line of its own, or by the text of the option."""
    box = boxed(text)
    if box is not None:
        return _lone(box) or _by_text(box, choices)
    if said := [m[1] for m in SAID.finditer(text) if m[1].isupper()]:
        return said[-1]
    line = final_line(text)
    return _lone(line) or _by_text(line, choices)


def plain(text: str) -> str:
    """Text without LaTeX wrappers, dollar signs, a final full stop, capital letters or more than one space in a row."""
    text = unicodedata.normalize("NFKC", text)
    while (unwrapped := WRAPPER.sub(r"\1", text)) != text:
        text = unwrapped
    text = " ".join(text.strip().strip("$*").replace("\\ ", " ").replace("~", " ").split())
    return text.removesuffix(".").strip().casefold()


def _lone(text: str) -> str | None:
    found = ALONE.fullmatch(text.strip())
    return found[1] if found else None


def _by_text(text: str, choices: list[str]) -> str | None:
    same = [i for i, choice in enumerate(choices) if plain(choice) == plain(text)]
    return "ABCDEFGHIJ"[same[0]] if len(same) == 1 else None


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened before `start` closes. An escaped brace is a character like others."""
    depth, at = 1, start
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "{}":
            depth += 1 if text[at] == "{" else -1
            if depth == 0:
                return at
        at += 1
    return None
