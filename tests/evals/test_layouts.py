"""Benchmark files: one of each layout, and everything that can be wrong with them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from relaygen.errors import UsageError
from relaygen.evals.tasks import create_tasks
from relaygen.evals.tasks.base import BOXED
from relaygen.evals.types import Sample

GPQA = {
    "Record ID": "rec1",
    "Question": "Which gas burns?\n",
    "Correct Answer": "methane\n",
    "Incorrect Answer 1": "neon",
    "Incorrect Answer 2": "argon",
    "Incorrect Answer 3": "helium",
    "Subdomain": "Chemistry",
}
FILES: dict[str, tuple[dict[str, Any], str, str]] = {
    "math-500": (
        {"problem": "1+1?", "solution": "", "answer": r"\frac{4}{2}", "subject": "Sums", "level": 1, "unique_id": "u"},
        r"\frac{4}{2}",
        "math",
    ),
    "aime": ({"id": 60, "problem": "1+1?", "solution": "", "answer": "002", "url": "", "year": "2024"}, "002", "math"),
    "amc": ({"id": 0, "question": "1+1?", "answer": 142.0, "url": ""}, "142", "math"),
    "gsm8k": ({"question": "1+1?", "answer": "One <<1+1=2>>.\n#### 1,002"}, "1002", "math"),
    "gpqa": (GPQA, "?", "choice"),
    "sample": ({"input": "1+1?", "target": "two", "scorer": "exact"}, "two", "exact"),
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as a file of the kind that its name says."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".csv":
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        quoted = [",".join('"' + str(x).replace('"', '""') + '"' for x in line) for line in lines]
        path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
    else:
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def load(path: Path, seed: int = 0) -> list[Sample]:
    task = create_tasks([str(path)], seed)[0]
    return [task.sample(i) for i in range(task.size or 0)]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
@pytest.mark.parametrize("layout", list(FILES))
def test_each_layout_is_recognised_in_each_kind_of_file(tmp_path: Path, layout: str, kind: str) -> None:
    row, target, scorer = FILES[layout]
    if layout == "amc" and kind == "csv":
        target = "142.0"  # CSV knows no numbers; the scorer does
    sample = load(write(tmp_path / f"bench.{kind}", [row]))[0]
    assert (sample.metadata["layout"], sample.scorer) == (layout, scorer)
    assert sample.target == target or layout == "gpqa"
    assert (sample.id, sample.task) == ("bench/0", "bench")


@pytest.mark.parametrize("layout", ["math-500", "aime", "amc", "gsm8k"])
def test_the_box_arrives_intact(tmp_path: Path, layout: str) -> None:
    sample = load(write(tmp_path / "a.jsonl", [FILES[layout][0]]))[0]
    assert sample.input == f"1+1?\n\n{BOXED}"
    assert "within \\boxed{}." in sample.input
    assert "\b" not in sample.input


def test_gpqa_lists_its_options_and_asks_for_a_letter(tmp_path: Path) -> None:
    sample = load(write(tmp_path / "a.csv", [GPQA]))[0]
    assert sample.input.startswith("Which gas burns?\n\nA) ")
    assert sample.input.endswith("put the letter of the right option within \\boxed{}.")
    assert f"{sample.target}) methane\n" in sample.input
    assert sample.metadata["choices"]["ABCD".index(sample.target)] == "methane"
    assert (sample.metadata["id"], sample.metadata["subdomain"]) == ("rec1", "Chemistry")


def test_the_right_option_of_gpqa_is_anywhere(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [GPQA] * 400)
    places = Counter(sample.target for sample in load(file))
    assert set(places) == set("ABCD")
    assert min(places.values()) > 70


def test_the_seed_fixes_the_order_of_the_options(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [GPQA] * 20)
    assert load(file, 1) == load(file, 1)
    assert load(file, 1) != load(file, 2)


def test_own_samples_may_have_choices(tmp_path: Path) -> None:
    row = {"input": "Which?", "target": "B", "scorer": "choice", "choices": ["x", "y"]}
    sample = load(write(tmp_path / "a.jsonl", [row]))[0]
    assert "A) x\nB) y" in sample.input
    assert sample.target == "B"


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    rows = [FILES["gsm8k"][0]]
    first = create_tasks([str(write(tmp_path / "a.jsonl", rows))])[0].digest
    assert create_tasks([str(write(tmp_path / "b.csv", rows))])[0].digest == first
    assert create_tasks([str(write(tmp_path / "c.jsonl", rows * 2))])[0].digest != first


GOOD = '{"question": "1+1?", "answer": "#### 2"}\n'
BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "unknown layout": ("a.jsonl", '{"prompt": "x", "label": 1}\n', r"line 1: the layout is unknown.*prompt, label"),
    "missing answer": ("a.jsonl", GOOD + '{"question": "1+1?"}\n', r"line 2: the field 'answer'.*is missing"),
    "empty answer": ("a.jsonl", GOOD + '{"question": "x", "answer": " "}\n', r"line 2: the field 'answer'"),
    "null answer": ("a.jsonl", '{"problem": "x", "answer": null}\n', r"line 1: the field 'answer'"),
    "no result": ("a.jsonl", GOOD + '{"question": "1+1?", "answer": "two"}\n', r"line 2: the answer has no result"),
    "empty file": ("a.jsonl", "", "is empty"),
    "blank file": ("a.jsonl", "\n\n", "is empty"),
    "empty csv": ("a.csv", "", "is empty"),
    "only a heading": ("a.csv", "question,answer\n", "is empty"),
    "empty json": ("a.json", "", "is empty"),
    "corrupt line": ("a.jsonl", GOOD + "\n" + '{"question": "1+1', r"line 3 is not valid JSON"),
    "a line that is no object": ("a.jsonl", GOOD + "[1]\n", r"line 2: expected an object"),
    "no array": ("a.json", '{"question": "x"}', "should hold an array"),
    "corrupt json": ("a.json", "[{]", "is not valid JSON"),
    "short csv line": ("a.csv", "question,answer\na,#### 1\nb\n", r"line 3: the number of values"),
    "long csv line": ("a.csv", "question,answer\na,#### 1,c\n", r"line 2: the number of values"),
    "open quote": ("a.csv", 'question,answer\na,"#### 1\n', r"line \d is not valid CSV"),
    "corrupt parquet": ("a.parquet", b"PAR1 not really", "not a valid Parquet file"),
    "not text": ("a.jsonl", b"\xff\xfe\x00", "not text in UTF-8"),
    "wrong scorer": ("a.jsonl", '{"input": "x", "target": "y", "scorer": "vibes"}\n', "no scorer 'vibes'"),
    "no choices": ("a.jsonl", '{"input": "x", "target": "A", "scorer": "choice"}\n', "needs a list"),
    "no such choice": (
        "a.jsonl",
        '{"input": "x", "target": "C", "scorer": "choice", "choices": ["a", "b"]}\n',
        "'C' is not the letter",
    ),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_broken_file_is_told_with_its_place(tmp_path: Path, case: str) -> None:
    name, content, message = BROKEN[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=message) as caught:
        create_tasks([str(path)])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
