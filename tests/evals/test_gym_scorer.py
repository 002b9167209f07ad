"""reasoning-gym's verifiers: a full reward is right, everything below is wrong."""

from __future__ import annotations

import pytest

from relaygen.evals.scorers.extract import boxed, final_line
from relaygen.evals.scorers.gym import judge
from relaygen.evals.tasks.gym import gym_task

DATASETS = ("chain_sum", "products", "simple_equations", "leg_counting", "gcd", "lcm")
# What a model may write, given the target and the target plus one.
RIGHT = (
    "\\boxed{{{0}}}",
    "The answer is \\boxed{{{0}}}.",
    "\\boxed{{ {0} }}",
    "First \\boxed{{{1}}}, no: \\boxed{{{0}}}",
    "It is a sum.\n\n{0}",
)
WRONG = (
    "\\boxed{{{1}}}",
    "\\boxed{{-{1}}}",
    "First \\boxed{{{0}}}, no: \\boxed{{{1}}}",
    "\\boxed{{}}",
    "",
    "\\boxed{{{0}{0}}}",
    "\\boxed{{{0} or {1}}}",
    "\\boxed{{about {0}}}",
    "The answer is {0}, I think, but it may be another number altogether.",
    "{0}\nOr not.",
)


def verdict(dataset: str, form: str) -> bool:
    sample = gym_task(dataset, {}).sample(0)
    completion = form.format(sample.target, int(sample.target) + 1)
    box = boxed(completion)
    return judge(dataset, "{}", 0, final_line(completion) if box is None else box)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("form", RIGHT)
def test_full_rewards_are_right(dataset: str, form: str) -> None:
    assert verdict(dataset, form)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("form", WRONG)
def test_lower_rewards_are_wrong(dataset: str, form: str) -> None:
    assert not verdict(dataset, form)


def test_settings_reach_the_verifier() -> None:
    settings = {"min_terms": 4, "max_terms": 4}
    sample = gym_task("chain_sum", settings).sample(3)
    assert sample.input.count("+") + sample.input.count("-") >= 3
    assert judge("chain_sum", '{"min_terms": 4, "max_terms": 4}', 3, sample.target)
