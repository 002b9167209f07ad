"""The math scorer against answers made by hand: the target, what a model writes, and whether it is right."""

from __future__ import annotations

import pytest

from relaygen.evals.scorers.maths import judge

RIGHT = [
    ("42", r"So the answer is \boxed{42}."),
    ("42", "So the answer is 42."),
    ("42", r"First \boxed{41}, no: \boxed{42}"),
    ("42", r"\boxed{42.0}"),
    ("42", r"\boxed{\text{42}}"),
    ("025", r"\boxed{25}"),
    ("204", r"\boxed{ 204 }"),
    ("-3", r"\boxed{-3}"),
    ("-3", r"\boxed{−3}"),
    ("-3", r"The sum is $-3$."),
    (r"-\frac{1}{2}", r"\boxed{\frac{-1}{2}}"),
    (r"\frac{1}{2}", r"\boxed{1/2}"),
    (r"\frac{1}{2}", r"\boxed{0.5}"),
    (r"\frac{1}{2}", r"\boxed{\dfrac{2}{4}}"),
    (r"\frac{3}{4}", r"\boxed{\tfrac34}"),
    (r"3\frac{3}{4}", r"\boxed{15/4}"),
    (r"1\frac{1}{2}", r"\boxed{1.5}"),
    (r"\frac{14}{3}", r"\boxed{\frac{14}{3}\text{ cm}}"),
    ("1000", r"\boxed{1,000}"),
    (r"11,\! 111,\! 111,\! 100", r"\boxed{11111111100}"),
    ("200000", r"\boxed{2 \cdot 10^{5}}"),
    ("1024", r"\boxed{2^{10}}"),
    ("3628800", r"\boxed{10!}"),
    ("5", r"\boxed{5\text{ cm}}"),
    ("5", r"\boxed{5 \mathrm{~m}}"),
    (r"5\text{ apples}", r"\boxed{5}"),
    (r"\$5.50", r"\boxed{5.5}"),
    ("18", r"\boxed{\$18}"),
    (r"90^\circ", r"\boxed{90}"),
    ("90", r"\boxed{90^\circ}"),
    (r"10\%", r"\boxed{10\%}"),
    (r"10\%", r"\boxed{0.1}"),
    (r"2\sqrt{3}", r"\boxed{\sqrt{12}}"),
    (r"\frac{\sqrt{2}}{2}", r"\boxed{\frac{1}{\sqrt{2}}}"),
    (r"\pi", r"\boxed{\pi}"),
    (r"4\pi", r"\boxed{\pi \cdot 4}"),
    (r"\infty", r"\boxed{\infty}"),
    ("6+9i", r"\boxed{9i+6}"),
    ("x^2+2x+1", r"\boxed{(x+1)^2}"),
    ("p - q", r"\boxed{p-q}"),
    ("2x+3", r"\boxed{y = 2x + 3}"),
    ("y=2x+3", r"\boxed{y = 3 + 2x}"),
    ("5", r"\boxed{x = 5}"),
    (r"\{1,2,3\}", r"\boxed{\{3, 2, 1\}}"),
    ("1,2,3", r"\boxed{3, 2, 1}"),
    ("-2,2", r"\boxed{\pm 2}"),
    (r"\emptyset", r"\boxed{\varnothing}"),
    ("(1,2)", r"\boxed{(1, 2)}"),
    (r"(3, \frac{\pi}{2})", r"\boxed{\left(3, \pi/2\right)}"),
    ("[0,1)", r"\boxed{[0, 1)}"),
    (r"(-\infty, 2) \cup (3, \infty)", r"\boxed{(-\infty,2)\cup(3,\infty)}"),
    ("x<5", r"\boxed{5 > x}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{pmatrix} 1 \\ 2 \end{pmatrix}}"),
    ("4210_{5}", r"\boxed{4210_5}"),
    (r"\text{Evelyn}", r"\boxed{\text{Evelyn}}"),
    (r"\text{Evelyn}", r"\boxed{evelyn}"),
    (r"\text{June 20}", r"\boxed{\text{June 20}}"),
    (r"\text{even}", r"\boxed{even}"),
    (r"\text{(C)}", r"\boxed{C}"),
    (r"\frac{1}{2}", r"\fbox{\frac{{1}}{{2}}} and then some words"),
    ("?!", r"\boxed{?!}"),
]
WRONG = [
    ("42", r"\boxed{24}"),
    ("42", r"First \boxed{42}, no: \boxed{41}"),
    ("42", r"\boxed{42.5}"),
    ("42", r"\boxed{-42}"),
    ("42", r"\boxed{420}"),
    ("42", r"\boxed{}"),
    ("42", ""),
    ("42", "I do not know."),
    ("-3", r"\boxed{3}"),
    ("3", r"\boxed{-3}"),
    (r"\frac{1}{2}", r"\boxed{2}"),
    (r"\frac{1}{2}", r"\boxed{-\frac{1}{2}}"),
    (r"\frac{1}{3}", r"\boxed{0.333}"),
    (r"\frac{3}{4}", r"\boxed{\frac{4}{3}}"),
    (r"1\frac{1}{2}", r"\boxed{\frac{11}{2}}"),
    ("1000", r"\boxed{1,001}"),
    ("1000", r"\boxed{100}"),
    ("1024", r"\boxed{2^{9}}"),
    (r"10\%", r"\boxed{1\%}"),
    (r"2\sqrt{3}", r"\boxed{3\sqrt{2}}"),
    (r"2\sqrt{3}", r"\boxed{3.46}"),
    (r"\pi", r"\boxed{3.14}"),
    (r"-\infty", r"\boxed{\infty}"),
    ("6+9i", r"\boxed{6-9i}"),
    ("x^2+2x+1", r"\boxed{(x-1)^2}"),
    ("p - q", r"\boxed{q - p}"),
    (r"\{1,2,3\}", r"\boxed{\{1, 2\}}"),
    ("1,2,3", r"\boxed{1, 2, 4}"),
    ("-2,2", r"\boxed{2}"),
    ("(1,2)", r"\boxed{(2, 1)}"),
    ("[0,1)", r"\boxed{[0, 1]}"),
    ("[0,1)", r"\boxed{(0, 1)}"),
    ("x<5", r"\boxed{x < 6}"),
    ("x<5", r"\boxed{x > 5}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{pmatrix} 2 \\ 1 \end{pmatrix}}"),
    (r"\text{Evelyn}", r"\boxed{\text{Briana}}"),
    (r"\text{Evelyn}", r"\boxed{nelvyE}"),
    (r"\text{even}", r"\boxed{odd}"),
    (r"\text{(C)}", r"\boxed{B}"),
    (r"30^\circ", r"\boxed{60^\circ}"),
    ("?!", r"\boxed{!?}"),
]


@pytest.mark.parametrize(("target", "completion"), RIGHT)
def test_right_answers(target: str, completion: str) -> None:
    assert judge(target, completion).correct


@pytest.mark.parametrize(("target", "completion"), WRONG)
def test_wrong_but_similar_answers(target: str, completion: str) -> None:
    assert not judge(target, completion).correct


def test_the_answer_that_was_read_is_told() -> None:
    assert judge("42", r"a \boxed{\frac{84}{2}}").answer == r"\frac{84}{2}"
    assert judge("42", "the answer is 41").answer == "41"
