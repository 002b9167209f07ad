"""The layouts that public benchmarks come in, recognised by the fields of a row.

gpqa      Question, Correct Answer, Incorrect Answer 1 to 3      the options are shuffled, each sample its own way
gsm8k     question, answer (worked, the result after ####)
math-500  problem, answer, and subject, level or unique_id
aime      problem, answer
amc       question, answer
sample    input, target; optionally scorer: math, exact, or choice with choices
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relaygen.errors import UsageError
from relaygen.evals.tasks.base import BOXED
from relaygen.evals.tasks.rows import Row
from relaygen.evals.types import Sample

Fields = Mapping[str, Any]
LETTERS = "ABCDEFGHIJ"
LETTER = "Please reason step by step, and put the letter of the right option within \\boxed{}."
GPQA_WRONG = tuple(f"incorrect answer {i}" for i in (1, 2, 3))
IDS = ("unique_id", "record id", "id")
KEPT = ("subject", "level", "subdomain", "year", "url", "source")


@dataclass(frozen=True, slots=True)
class Layout:
    """`fits` says whether a row is of this layout by its first look, `needs` what every row must hold."""

    name: str
    needs: tuple[str, ...]
    fits: Callable[[Fields], bool]
    read: Callable[[Fields, random.Random], dict[str, Any]]


def recognise(row: Row, source: object) -> Layout:
    """The layout of a file by its first row. Raises UsageError when it is none of them."""
    for layout in LAYOUTS:
        if all(name in row.fields for name in layout.needs) and layout.fits(row.fields):
            return layout
    known = "; ".join(f"{layout.name} ({', '.join(layout.needs)})" for layout in LAYOUTS)
    raise UsageError(
        f"{source}, {row.place}: the layout is unknown, its fields are {', '.join(row.fields)}. Known are {known}."
    )


def samples_of(rows: Sequence[Row], name: str, source: object, seed: int) -> list[Sample]:
    """The samples of a file, all of one layout. Raises UsageError that names the row when a field is missing."""
    layout = recognise(rows[0], source)
    return [_sample(layout, row, index, name, source, seed) for index, row in enumerate(rows)]


def _sample(layout: Layout, row: Row, index: int, name: str, source: object, seed: int) -> Sample:
    for needed in layout.needs:
        if row.fields.get(needed) is None or not str(row.fields[needed]).strip():
            raise UsageError(f"{source}, {row.place}: the field {needed!r} of the layout {layout.name} is missing.")
    try:
        parts = layout.read(row.fields, random.Random(f"{seed}/{index}"))
    except ValueError as error:
        raise UsageError(f"{source}, {row.place}: {error}.") from error
    about = {key: row.fields[key] for key in KEPT if row.fields.get(key) is not None}
    own = next((str(row.fields[key]) for key in IDS if row.fields.get(key) is not None), "")
    metadata = {"layout": layout.name, "id": own, **about, **parts.pop("metadata", {})}
    return Sample(id=f"{name}/{index}", task=name, metadata=metadata, **parts)


def _math(question: str, answer: str) -> dict[str, Any]:
    return {"input": f"{question}\n\n{BOXED}", "target": answer, "scorer": "math"}


def _choice(question: str, options: Sequence[str], right: int) -> dict[str, Any]:
    listed = "\n".join(f"{letter}) {text}" for letter, text in zip(LETTERS, options, strict=False))
    text = f"{question}\n\n{listed}\n\n{LETTER}"
    return {"input": text, "target": LETTERS[right], "scorer": "choice", "metadata": {"choices": list(options)}}


def _gpqa(fields: Fields, rng: random.Random) -> dict[str, Any]:
    right = _text(fields["correct answer"])
    options = [right, *(_text(fields[name]) for name in GPQA_WRONG)]
    order = rng.sample(range(len(options)), len(options))
    return _choice(_text(fields["question"]), [options[i] for i in order], order.index(0))


def _gsm8k(fields: Fields, rng: random.Random) -> dict[str, Any]:
    _, mark, result = str(fields["answer"]).rpartition("####")
    if not mark or not result.strip():
        raise ValueError("the answer has no result after ####")
    return _math(_text(fields["question"]), result.strip().replace(",", ""))


def _asked(name: str) -> Callable[[Fields, random.Random], dict[str, Any]]:
    return lambda fields, rng: _math(_text(fields[name]), _text(fields["answer"]))


def _own(fields: Fields, rng: random.Random) -> dict[str, Any]:
    scorer, question, target = fields.get("scorer") or "math", _text(fields["input"]), _text(fields["target"])
    if scorer == "choice":
        options = fields.get("choices")
        if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
            raise ValueError(f"the scorer choice needs a list of 2 to {len(LETTERS)} choices")
        if len(target) != 1 or target not in LETTERS[: len(options)]:
            raise ValueError(f"the target {target!r} is not the letter of a choice")
        return _choice(question, [_text(option) for option in options], LETTERS.index(target))
    if scorer not in ("math", "exact"):
        raise ValueError(f"there is no scorer {scorer!r}; there are math, choice and exact")
    return _math(question, target) | {"scorer": scorer}


def _text(value: object) -> str:
    """Text as it stands; 204.0 becomes 204, as data sets store whole answers as floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


LAYOUTS = (
    Layout("gpqa", ("question", "correct answer", *GPQA_WRONG), lambda f: True, _gpqa),
    Layout("gsm8k", ("question", "answer"), lambda f: "####" in str(f["answer"]), _gsm8k),
    Layout(
        "math-500",
        ("problem", "answer"),
        lambda f: any(name in f for name in ("subject", "level", "unique_id")),
        _asked("problem"),
    ),
    Layout("aime", ("problem", "answer"), lambda f: True, _asked("problem")),
    Layout("amc", ("question", "answer"), lambda f: True, _asked("question")),
    Layout("sample", ("input", "target"), lambda f: True, _own),
)
