"""Worked solutions of reasoning-gym problems, written as a reasoning model thinks aloud.

A solution is a list of `Piece`s. Their kind says what writing them takes: `hard` pieces compute, `easy` pieces
restate what stands in the context already, `slip` pieces are mistakes that the next sentence corrects (they carry no
loss in training, so a model learns to repair mistakes but not to make them).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

import columns


class Piece(NamedTuple):
    kind: str  # "prompt" | "hard" | "easy" | "slip"
    text: str


SLIP_RATE = 0.05
CHECK_RATE = 0.05


class Writer:
    """Collects the pieces of one solution; `rng` chooses among equivalent wordings."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pieces: list[Piece] = []

    def hard(self, text: str) -> None:
        self._put("hard", text)

    def easy(self, cues: str, text: str) -> None:
        """A restating sentence behind one of the `|`-separated cues; the cue itself is a hard choice."""
        self._put("hard", self.rng.choice(cues.split("|")))
        self._put("easy", text)

    def paragraph(self) -> None:
        self.pieces.append(Piece("hard", "\n\n"))

    def _put(self, kind: str, text: str) -> None:
        start = not self.pieces or self.pieces[-1].text.endswith("\n")
        self.pieces.append(Piece(kind, text if start else " " + text))

    def columns(self, sentences: list[str]) -> None:
        """The columns of one computation, now and then with a digit slip that is noticed at once."""
        for sentence in sentences:
            head, _, tail = sentence.rpartition(", write ")
            if self.rng.random() < SLIP_RATE / 2:
                at = head.rindex("=") + 1
                wrong = str(int(head[at:]) + self.rng.choice((-1, 1, 2)))
                self.hard(head[:at])
                self.pieces.append(Piece("slip", wrong))
                self.pieces.append(Piece("hard", f", wait, {head[at:]}, write {tail}"))
            else:
                self.hard(sentence)

    def result(self, left: str, value: int, restatements: tuple[str, ...]) -> None:
        """Reads the result off its columns, then restates it; either may slip and be corrected."""
        if self._slips(f"So, {left}=", value):
            self.hard(f"Wait, the digits say {value}. Again, {left}={value}.")
        else:
            self.easy("So,", f"{left}={value}.")
        template = self.rng.choice(restatements)
        cue = self.rng.choice(("Thus,", "Thus", "Hence,"))
        if self._slips(cue + " " + template.format(""), value):
            self.hard(f"Wait, I copied that wrongly. It is {value}.")
        else:
            self.easy(cue, template.format(value) + ".")

    def _slips(self, lead: str, value: int) -> bool:
        if self.rng.random() >= SLIP_RATE / 2:
            return False
        shown = list(str(value))
        at = self.rng.randrange(len(shown))
        shown[at] = self.rng.choice("0123456789") if shown[at] != "-" else ""
        if "".join(shown) == str(value):
            return False
        self._put("hard", lead.rstrip())
        self.pieces.append(Piece("slip", (" " if lead.endswith(" ") else "") + "".join(shown)))
        self.pieces.append(Piece("hard", "."))
        return True

    def maybe_check(self, left: str, value: int, sentences: list[str]) -> None:
        if self.rng.random() < CHECK_RATE:
            self.easy("Wait,|Hmm,", f"let me double-check {left}.")
            self.columns(sentences)
            self.easy("Again,", f"that gives {left}={value}.")


RUNNING = ("the total so far is {}", "the running total is {}", "that part comes to {}")
PARTIAL = ("this partial product is {}", "this part comes to {}")


def signed_sum(w: Writer, a: int, b: int) -> None:
    """Computes a + b for any signs, showing it as a+b or a-|b|."""
    left = f"{a}+{b}" if b >= 0 else f"{a}-{-b}"
    value, p, q = a + b, abs(a), abs(b)
    if (a < 0) == (b < 0) or b == 0 or a == 0:
        if a < 0:
            w.easy("However,", f"both parts of {left} are negative.")
            w.hard(f"I add {p}+{q} and keep the minus sign.")
        work = columns.add(p, q)
    else:
        high, low = max(p, q), min(p, q)
        if a < 0 or q > p:
            w.hard(f"However, {high} is larger than {low}. I take {high}-{low}")
            w.pieces.append(Piece("hard", " and put a minus sign." if value < 0 else "."))
        work = columns.subtract(high, low)
    w.columns(work)
    w.result(left, value, RUNNING)
    w.maybe_check(left, value, work)


def chain_sum(w: Writer, question: str) -> int:
    shown = re.search(r"problem: (.+) =", question)
    assert shown
    tokens = shown[1].split()
    terms = [int(tokens[0])] + [
        int(t) * (1 if op == "+" else -1) for op, t in zip(tokens[1::2], tokens[2::2], strict=True)
    ]
    text = "".join(tokens)
    w.easy("Okay,|Alright,", f"I need to work out {text}.")
    total = terms[0]
    for i, term in enumerate(terms[1:], 1):
        w.paragraph()
        step = f"{total}{term:+d}"
        w.easy("First,|To begin," if i == 1 else "Next,|Then,", f"I compute {step}.")
        signed_sum(w, total, term)
        total += term
        rest = "".join(f"{t:+d}" for t in terms[i + 1 :])
        if rest:
            w.easy("Now,|Now", f"the problem {text} becomes {total}{rest}.")
    _conclude(w, f"{text} is", total)
    return total


def products(w: Writer, question: str) -> int:
    shown = re.search(r"(\d+) \* (\d+)", question)
    assert shown
    a, b = int(shown[1]), int(shown[2])
    text = f"{a}*{b}"
    w.easy("Okay,|Alright,", f"I need to multiply {text}.")
    if len(str(a)) < len(str(b)):
        w.easy("Alternatively,", f"I can write {text} as {b}*{a}.")
        a, b = b, a
    parts = [(d, 10**i) for i, d in enumerate(columns.digits(b)) if d]
    if len(parts) > 1:
        w.easy("Specifically,", f"that means {a}" + f" and {a}".join(f"*{d * shift}" for d, shift in parts) + ".")
    total = None
    for d, shift in parts:
        w.paragraph()
        part = a * d * shift
        w.easy("First,|To begin," if total is None else "Similarly,|Next,", f"I compute {a}*{d}.")
        w.columns(columns.times_digit(a, d))
        w.result(f"{a}*{d}", a * d, PARTIAL)
        if shift > 1:
            w.easy("Now,|Now", f"with the zero{'s' if shift > 10 else ''}, {a}*{d * shift}={part}.")
        if total is not None:
            w.paragraph()
            w.easy("Then,|Next,", f"I add the parts {total}+{part}.")
            signed_sum(w, total, part)
        total = part if total is None else total + part
    _conclude(w, f"{text} is", total or 0)
    return total or 0


def simple_equations(w: Writer, question: str) -> int:
    shown = re.search(r": (?:(\d+) ([+-]) )?(?:(\d+)\*)?([a-z])(?: ([+-]) (\d+))? = (-?\d+)$", question)
    assert shown, question
    lead, lead_op, coefficient, x, op, constant, right = shown.groups()
    a, c = int(coefficient or 1), int(right)
    known = int(lead) if lead else int(constant) * (1 if op == "+" else -1)
    unknown = f"{a}*{x}" if coefficient else x
    left = f"{lead}{lead_op}{unknown}" if lead else f"{unknown}{known:+d}"
    w.easy("Okay,|Alright,", f"I need to solve {left}={c} for {x}.")
    w.paragraph()
    flip = lead_op == "-"
    first, second = (known, -c) if flip else (c, -known)
    step = f"{first}{second:+d}" if second else f"{first}"
    moved = "I move the terms" if flip else f"I take {known:+d} to the other side"
    w.easy("First,|To begin,", f"{moved}, so {unknown}={step}.")
    product = first + second
    if second:
        signed_sum(w, first, second)
        w.easy("Now,|Now", f"the equation becomes {unknown}={product}.")
    value = product // a
    if a > 1:
        w.paragraph()
        w.easy("Next,|Then,", f"I divide {product} by {a}.")
        w.hard(f"I know that {a}*{value}={product}.")
        w.easy("So,", f"{product}/{a}={value}.")
    _conclude(w, f"{x} is", value)
    return value


def leg_counting(w: Writer, question: str) -> int:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    shown = re.search(r"if you have (.+)\?", question)
    assert shown
    groups = [(int(n), name) for n, name in re.findall(r"(\d+) ([a-z ]+?)(?:, |$)", shown[1])]
    w.easy("Okay,|Alright,", f"I need the legs of {shown[1]}.")
    total = None
    for n, plural in groups:
        w.paragraph()
        legs: int = ANIMALS[plural[:-1]]
        w.easy("First,|To begin," if total is None else "Next,|Similarly,", f"I count the {n} {plural}.")
        w.hard(f"One has {legs} legs, and {n}*{legs}={n * legs}.")
        w.easy("Thus,|Hence,", f"the {n} {plural} have {n * legs} legs.")
        if total is None:
            total = n * legs
            continue
        w.easy("Then,|Now,", f"I add {total}+{n * legs}.")
        signed_sum(w, total, n * legs)
        total += n * legs
    assert total is not None
    _conclude(w, "the total number of legs is", total)
    return total


def _conclude(w: Writer, what: str, value: int) -> None:
    w.paragraph()
    w.easy("Therefore,|Therefore", f"{what} {value}.")


SOLVERS: dict[str, Callable[[Writer, str], int]] = {
    "chain_sum": chain_sum,
    "products": products,
    "simple_equations": simple_equations,
    "leg_counting": leg_counting,
}


def solve(task: str, question: str, answer: str, rng: random.Random) -> list[Piece]:
    """The whole document for one problem: prompt, thinking, answer.

    Raises ValueError when the solution disagrees with reasoning-gym's answer.
    """
    w = Writer(rng)
    value = SOLVERS[task](w, question)
    if str(value) != answer:
        raise ValueError(f"{task}: solved {question!r} as {value}, but the answer is {answer}")
    prompt = f"<|im_start|>user\n{question.strip()}<|im_end|>\n<|im_start|>assistant\n"
    closing = w.rng.choice(("After working through the steps, the result is", "The step by step solution gives"))
    answer_text = f"\n\n{closing} {value}.\n\nThe final answer is \\boxed{{{value}}}.<|im_end|>"
    return [
        Piece("prompt", prompt),
        Piece("easy", "<think>\n"),
        *w.pieces,
        Piece("hard", "\n</think>"),
        Piece("easy", answer_text),
    ]
