"""The files that a calibration grows: what survives a kill, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaygen.calibration.store import Record, Store
from relaygen.errors import UsageError

HEAD = {"relaygen": "traces", "seed": 0}


def records(path: Path) -> list[Record]:
    with Store(path, HEAD) as store:
        return store.records


def append(path: Path, *added: Record) -> None:
    with Store(path, HEAD) as store:
        for record in added:
            store.append(record)


def test_records_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "traces.jsonl"
    append(path, {"problem": "a", "text": "ä\n\x85\u2028"})
    assert records(path) == [{"problem": "a", "text": "ä\n\x85\u2028"}]


def test_a_record_is_in_the_file_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    with Store(path, HEAD) as store:
        store.append({"problem": "a"})
        assert path.read_bytes().endswith(b'{"problem":"a"}\n')


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_was_cut_off_is_dropped_and_the_file_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "traces.jsonl"
    append(path, {"problem": "a"}, {"problem": "the second"})
    path.write_bytes(path.read_bytes()[:-cut])
    assert records(path) == [{"problem": "a"}]
    append(path, {"problem": "c"})
    assert records(path) == [{"problem": "a"}, {"problem": "c"}]


def test_a_file_that_was_killed_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text('{"relaygen": "tr')
    append(path, {"problem": "a"})
    assert records(path) == [{"problem": "a"}]


def test_the_file_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    append(path)
    with pytest.raises(UsageError, match="its seed is 0, not 1"):
        Store(path, HEAD | {"seed": 1})


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Store(tmp_path / "traces.jsonl", HEAD), pytest.raises(UsageError, match="Another process"):
        Store(tmp_path / "traces.jsonl", HEAD)


@pytest.mark.parametrize("broken", ["{not json}", "[1, 2]"])
def test_a_broken_line_in_the_middle_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "traces.jsonl"
    append(path)
    with path.open("a") as file:
        file.write(broken + "\n{}\n")
    with pytest.raises(UsageError, match="line 2"):
        Store(path, HEAD)


def test_a_folder_in_its_place_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        Store(tmp_path, HEAD)
