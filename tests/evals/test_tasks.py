"""Tasks by reference: reasoning-gym, files, the hub; and how their samples take turns."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from relaygen.errors import MissingExtra, UsageError
from relaygen.evals.tasks import create_tasks, load_samples
from relaygen.evals.tasks.base import BOXED, ListedTask
from relaygen.evals.types import Sample
from relaygen.problems import NANO_TASKS, ProblemSet, Split


def listed(name: str, count: int) -> ListedTask:
    make = [Sample(id=f"{name}/{i}", task=name, input="?", target="1", scorer="exact") for i in range(count)]
    return ListedTask(name, make)


def test_nano_is_all_of_its_tasks_in_turn() -> None:
    samples = load_samples(create_tasks(["nano"]), 6)
    assert [sample.task for sample in samples] == [*NANO_TASKS, *list(NANO_TASKS)[:2]]
    assert [sample.id for sample in samples[::4]] == ["chain_sum/0", "chain_sum/1"]


def test_nano_asks_as_it_was_trained_and_others_say_where_the_answer_goes() -> None:
    nano, other = load_samples(create_tasks(["rg:chain_sum", "rg:gcd"]), 2)
    assert BOXED not in nano.input
    assert other.input.endswith(f"\n\n{BOXED}")
    assert "\\boxed{}" in BOXED


@pytest.mark.parametrize("split", [Split.TRAINING, Split.CALIBRATION])
def test_evaluation_shares_no_problem_with_the_other_splits(split: Split) -> None:
    asked = {sample.input for sample in load_samples(create_tasks(["rg:chain_sum,min_digits=5,max_digits=6"]), 50)}
    settings = {"min_digits": 5, "max_digits": 6}
    others = ProblemSet("chain_sum", split, settings)
    assert not asked & {others[i].question for i in range(50)}


def test_settings_and_start_are_options_of_the_reference() -> None:
    task = create_tasks(["rg:chain_sum,min_terms=5,max_terms=5,start=7,boxed=true"])[0]
    sample = task.sample(0)
    assert sample.id == "chain_sum/7"
    assert sample.metadata["settings"] == {"min_terms": 5, "max_terms": 5}
    assert sample.input.endswith(BOXED)


def test_a_tuple_is_one_option() -> None:
    task = create_tasks(["rg:simple_equations,operators=('*',),operators_weights=(1.0,)"])[0]
    assert "*" in task.sample(0).input


def test_the_digest_tells_other_settings_apart() -> None:
    digests = [create_tasks([f"rg:chain_sum{options}"])[0].digest for options in ("", ",max_terms=4", ",boxed=True")]
    assert len(set(digests)) == 3


def test_tasks_that_end_are_passed_over() -> None:
    samples = load_samples([listed("a", 1), listed("b", 3)], 10)
    assert [sample.id for sample in samples] == ["a/0", "b/0", "b/1", "b/2"]


def test_all_samples_are_taken_when_no_number_is_given() -> None:
    assert len(load_samples([listed("a", 3), listed("b", 150)])) == 153
    assert len(load_samples(create_tasks(["rg:chain_sum"]))) == 100


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("rg:no_such_thing", "There is no task 'no_such_thing'"),
        ("rg:chain_sum,seed=3", "seed is fixed"),
        ("rg:chain_sum,size=3", "size is fixed"),
        ("rg:chain_sum,start=-1", "start must be"),
        ("rg:chain_sum,start=x", "start must be"),
        ("rg:chain_sum,boxed=7", "boxed must be"),
        ("rg:chain_sum,colour=red", "can't be made"),
        ("rg:chain_sum,min_terms", "not an option"),
        ("nothing", "There is no task 'nothing'"),
        ("nothing.jsonl", "can't be read: No such file"),
        ("nothing.txt", "not a kind of file"),
    ],
)
def test_a_wrong_reference_is_named(reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_tasks([reference])


def test_a_task_is_given_once() -> None:
    with pytest.raises(UsageError, match="chain_sum is given twice"):
        create_tasks(["nano", "rg:chain_sum"])


@pytest.mark.parametrize("count", [0, -1, 1_000_001])
def test_the_number_of_samples_has_bounds(count: int) -> None:
    with pytest.raises(UsageError, match="number of samples"):
        load_samples([listed("a", 3)], count)


def hub(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]] | Exception) -> list[Any]:
    """Puts a hub in place that knows these rows; returns what it is asked."""
    asked: list[Any] = []

    def load_dataset(name: str, config: str | None, *, split: str) -> list[dict[str, str]]:
        asked.append((name, config, split))
        if isinstance(rows, Exception):
            raise rows
        return rows

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def test_the_hub_gives_the_same_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = hub(monkeypatch, [{"question": "2+2?", "answer": "#### 4"}])
    sample = create_tasks(["hf:openai/gsm8k,config=main"])[0].sample(0)
    assert asked == [("openai/gsm8k", "main", "test")]
    assert (sample.id, sample.target) == ("openai/gsm8k/0", "4")


@pytest.mark.parametrize(
    ("rows", "reference", "message"),
    [
        (ConnectionError("no route"), "hf:a/b", "can't be loaded: no route"),
        (ValueError("no split"), "hf:a/b,split=x", r"split x\) can't be loaded"),
        ([], "hf:a/b", "is empty"),
        ([], "hf:a/b,colour=red", "not colour"),
    ],
)
def test_what_the_hub_cannot_give(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]] | Exception, reference: str, message: str
) -> None:
    hub(monkeypatch, rows)
    with pytest.raises(UsageError, match=message):
        create_tasks([reference])


def test_the_hub_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"relaygen\[datasets\]"):
        create_tasks(["hf:a/b"])
