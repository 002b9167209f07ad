"""The scorers choice and exact against answers made by hand."""

from __future__ import annotations

import pytest

from relaygen.evals.scorers.extract import boxed
from relaygen.evals.scorers.texts import choice, exact
from relaygen.evals.types import Sample, Score

pytestmark = pytest.mark.anyio
OPTIONS = ["methane", "ethane", "propane and butane", r"\frac{1}{2}"]

NAMED = [
    (r"\boxed{B}", "B"),
    (r"\boxed{ B }", "B"),
    (r"\boxed{(B)}", "B"),
    (r"\boxed{B)}", "B"),
    (r"\boxed{B.}", "B"),
    (r"\boxed{[B]}", "B"),
    (r"\boxed{\text{B}}", "B"),
    (r"\boxed{\textbf{B}}", "B"),
    (r"\boxed{\mathrm{B}}", "B"),
    (r"\boxed{\text{(B)}}", "B"),
    (r"$\boxed{B}$", "B"),
    (r"\boxed{B) ethane}", "B"),
    (r"\boxed{B: ethane}", "B"),
    (r"\boxed{B. ethane}", "B"),
    (r"\boxed{ethane}", "B"),
    (r"\boxed{Ethane.}", "B"),
    (r"\boxed{\text{propane and butane}}", "C"),
    (r"\boxed{\frac{1}{2}}", "D"),
    (r"First \boxed{A}, no, \boxed{B}.", "B"),
    (r"A is wrong, C is wrong, so \boxed{B}", "B"),
    ("The answer is B.", "B"),
    ("The answer is (B).", "B"),
    ("The answer is **B**.", "B"),
    ("The answer is **(B)**", "B"),
    ("The correct answer is B", "B"),
    ("Answer: B", "B"),
    ("ANSWER: B", "B"),
    ("answer = B", "B"),
    ("The answer is $B$.", "B"),
    ("The answer is option B.", "B"),
    ("The correct choice is B, since ethane burns.", "B"),
    ("So option B is right.", "B"),
    ("I choose option (B)", "B"),
    ("At first the answer is A. On second thought the answer is B.", "B"),
    ("Some thoughts.\n\nB", "B"),
    ("Some thoughts.\n\n(B)", "B"),
    ("Some thoughts.\n\n**B**", "B"),
    ("Some thoughts.\n\nB)", "B"),
    ("Some thoughts.\n\nB.", "B"),
    ("Some thoughts.\n\nB. ethane", "B"),
    ("Some thoughts.\n\nB) ethane", "B"),
    ("Some thoughts.\n\nethane", "B"),
    ("Some thoughts.\n\nPropane and butane.", "C"),
    ("D", "D"),
    ("answer is D", "D"),
    (r"\boxed{A}", "A"),
    (r"\boxed{D}", "D"),
    ("Answer:\n\nC", "C"),
    ("The answer is C) propane and butane", "C"),
    ("Final answer: \\text{C}", "C"),
]
UNNAMED = [
    "",
    "I do not know.",
    "A good question.\nBut no answer.",
    r"\boxed{}",
    r"\boxed{pentane}",
    r"\boxed{AB}",
    r"\boxed{A or B}",
    r"\boxed{42}",
    "The answer is ethanol.",
    "The answer is a gas.",
    "Answer: none of them",
    "It is Bad.",
    "A\nnot sure",
]


def sample(target: str, scorer: str) -> Sample:
    return Sample(id="s", task="t", input="?", target=target, scorer=scorer, metadata={"choices": OPTIONS})


@pytest.mark.parametrize(("completion", "named"), NAMED)
async def test_the_option_that_is_named(completion: str, named: str) -> None:
    score = await choice(sample(named, "choice"), completion)
    assert (score.answer, score.correct) == (named, True)
    other = "A" if named != "A" else "B"
    assert not (await choice(sample(other, "choice"), completion)).correct


@pytest.mark.parametrize("completion", UNNAMED)
async def test_no_option_is_named(completion: str) -> None:
    assert await choice(sample("A", "choice"), completion) == Score(
        correct=False, answer="", explanation="no option is named"
    )


SAME = [
    ("Paris", "Paris"),
    ("Paris", "paris"),
    ("Paris", "PARIS"),
    ("Paris", " Paris "),
    ("Paris", "Paris."),
    ("Paris", r"\boxed{Paris}"),
    ("Paris", r"\boxed{\text{Paris}}"),
    ("Paris", r"\boxed{\textbf{\text{Paris}}}"),
    ("Paris", "It took a while.\nParis"),
    ("Paris", "It took a while.\n\nParis.\n\n"),
    ("Paris", "**Paris**"),
    ("Paris", "$Paris$"),
    ("New York", "New  York"),
    ("New York", "New\tYork"),
    ("New York", r"\boxed{New\ York}"),
    ("New York", r"\boxed{\text{New York}}"),
    ("New York", r"\boxed{New~York}"),
    ("42", "42"),
    ("42", r"\boxed{42}"),
    ("42", "４２"),
    ("-7", r"\boxed{-7}"),
    ("3.14", "3.14"),
    ("3.14", "3.14."),
    ("12:30", "12:30"),
    ("[1, 2]", "[1, 2]"),
    ("café", "café"),
    ("a, b", r"\boxed{a, b}"),
    ("Straße", "STRASSE"),
    ("yes", r"First \boxed{no}, then \boxed{yes}"),
    ("x_{1}", r"\boxed{x_{1}}"),
    (r"\{a\}", r"\boxed{\{a\}}"),
    ("e.g", "e.g."),
]
OTHER = [
    ("Paris", "Pari"),
    ("Paris", "Parish"),
    ("Paris", "London"),
    ("Paris", "Paris or London"),
    ("Paris", "The answer is Paris"),
    ("Paris", ""),
    ("Paris", r"\boxed{}"),
    ("Paris", r"Paris, or rather \boxed{London}"),
    ("Paris", "Paris\nor not"),
    ("Paris", "P aris"),
    ("New York", "NewYork"),
    ("New York", "York New"),
    ("42", "24"),
    ("42", "4 2"),
    ("42", "42.0"),
    ("42", "+42"),
    ("42", "-42"),
    ("42", "042"),
    ("-7", "7"),
    ("3.14", "3.1"),
    ("3.14", "314"),
    ("1000", "1,000"),
    ("12:30", "12:03"),
    ("[1, 2]", "[2, 1]"),
    ("[1, 2]", "[1,2]"),
    ("a, b", "b, a"),
    ("café", "cafe"),
    ("yes", r"First \boxed{yes}, then \boxed{no}"),
    ("yes", "yes yes"),
    ("x_{1}", "x_1"),
]


@pytest.mark.parametrize(("target", "completion"), SAME)
async def test_the_same_text_but_for_its_look(target: str, completion: str) -> None:
    assert (await exact(sample(target, "exact"), completion)).correct


@pytest.mark.parametrize(("target", "completion"), OTHER)
async def test_another_text(target: str, completion: str) -> None:
    assert not (await exact(sample(target, "exact"), completion)).correct


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed {a}", "a"),
        (r"\boxed{a} \boxed{b", "a"),
        (r"\boxed{\}}", r"\}"),
        (r"\boxed{a{b{c}d}e} f}", "a{b{c}d}e"),
        ("no box", None),
        (r"\boxed", None),
        (r"\boxed{", None),
    ],
)
def test_boxes_nest_and_must_be_closed(text: str, found: str | None) -> None:
    assert boxed(text) == found
