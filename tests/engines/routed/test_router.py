"""Routers in folders: the shipped one fits the embedded pair, and only that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from relaygen.engines import Engine, EngineSettings, create_engine, wrap_engine
from relaygen.engines.routed.record import NETWORK, RECORD
from relaygen.engines.routed.router import Router, highest, load_router
from relaygen.errors import ModelError, UsageError
from relaygen.relay import Options, Relay
from relaygen.types import LARGE

SHIPPED = Path(str(resources.files("relaygen") / "nano" / "router"))


@pytest.fixture(scope="module")
def pair() -> tuple[Engine, Engine]:
    return tuple(create_engine(f"nano:{role}", EngineSettings(context=512)) for role in ("large", "small"))  # type: ignore[return-value]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "router"))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / RECORD).read_text())
    edit(record)
    (folder / RECORD).write_text(json.dumps(record))


@given(rows=arrays.arrays(np.float32, (2, 7), elements=st.floats(-50, 50, width=32)), count=st.integers(1, 7))
def test_the_highest_logits_come_in_falling_order(rows: np.ndarray[Any, np.dtype[np.float32]], count: int) -> None:
    found = highest(rows, count)
    expected = np.sort(rows)[:, ::-1][:, :count]
    assert found.dtype == np.float32
    assert np.allclose(found - found[:, :1], expected - expected[:, :1], atol=1e-4)
    assert np.allclose(np.exp(found).sum(-1), 1, atol=1e-4)
    assert np.allclose(highest(rows + np.float32(7), count), found, atol=1e-4), "the level says nothing"


def test_the_shipped_router_fits_the_embedded_pair_and_is_small(pair: tuple[Engine, Engine]) -> None:
    router = load_router("nano", *pair)
    assert router.record.test.recall > 0.5
    assert router.record.test.large_share < 0.5
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 1 << 20


def test_a_router_gives_chances_that_do_not_depend_on_the_batch(folder: Path) -> None:
    router = Router(folder)
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(5, router.record.hidden_size)).astype(np.float32)
    logits = rng.normal(size=(5, 640)).astype(np.float32)
    tokens = np.arange(5)
    together = router(hidden, tokens, logits)
    assert together.shape == (5,)
    assert ((together >= 0) & (together <= 1)).all()
    alone = [router(hidden[i : i + 1], tokens[i : i + 1], logits[i : i + 1])[0] for i in range(5)]
    assert np.allclose(together, alone, atol=1e-5)


def test_a_router_of_another_pair_is_one_sentence(pair: tuple[Engine, Engine], folder: Path) -> None:
    change(folder, lambda record: record["fingerprints"].update(small="0" * 16))
    with pytest.raises(ModelError, match=r"was trained for the pair nano:large .* and nano:small \(0{16}\), not for"):
        load_router(str(folder), *pair)
    with pytest.raises(UsageError, match="relaygen train-router"):
        Relay(*pair, policy=f'large+routed(router="{folder}")')


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda record: record.update(threshold=2), "threshold: Input should be less"),
        (lambda record: record.pop("fingerprints"), "fingerprints: Field required"),
        (lambda record: record.update(colour="red"), "colour: Extra inputs"),
    ],
)
def test_a_broken_record_is_one_sentence(
    folder: Path, edit: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    change(folder, edit)
    with pytest.raises(ModelError, match=complaint):
        Router(folder)


def test_folders_that_hold_no_router(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no router; `relaygen train-router` makes one"):
        Router(tmp_path / "nowhere")
    (folder / NETWORK).write_bytes(b"no network")
    with pytest.raises(ModelError, match="can't load"):
        Router(folder)
    (folder / RECORD).write_text("{")
    with pytest.raises(ModelError, match="its text"):
        Router(folder)


def test_the_embedded_pair_is_routed_out_of_the_box(pair: tuple[Engine, Engine]) -> None:
    with Relay(*pair, policy="large+routed", options=Options(max_tokens=60)) as relay:
        trace = relay.generate("Calculate 12 + 30.")
        assert 0 < trace.large_share < 1
        assert trace.switches > 0
        everything = relay.generate("Calculate 12 + 30.", policy="large+routed(threshold=0)")
        assert {segment.role for segment in everything.segments} == {LARGE}


def test_options_that_are_wrong_are_one_sentence(pair: tuple[Engine, Engine]) -> None:
    with pytest.raises(UsageError, match="routed has no option k; it has router, threshold"):
        wrap_engine("routed", *pair, {"k": 3})
    with pytest.raises(UsageError, match="routed can't be made like that"):
        wrap_engine("routed", *pair, {"threshold": "high"})
