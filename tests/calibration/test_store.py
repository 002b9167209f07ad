"""The files that a calibration grows: what survives a kill, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaygen.calibration.store import Store
from relaygen.errors import UsageError

HEAD = {"relaygen": "traces", "seed": 0}


def test_records_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "traces.jsonl"
    Store(path, HEAD).append({"problem": "a", "text": "ä\n"})
    assert Store(path, HEAD).records == [{"problem": "a", "text": "ä\n"}]


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_was_cut_off_is_dropped_and_the_file_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "traces.jsonl"
    store = Store(path, HEAD)
    store.append({"problem": "a"})
    store.append({"problem": "the second"})
    path.write_bytes(path.read_bytes()[:-cut])
    again = Store(path, HEAD)
    assert again.records == [{"problem": "a"}]
    again.append({"problem": "c"})
    assert Store(path, HEAD).records == [{"problem": "a"}, {"problem": "c"}]


def test_a_file_that_was_killed_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text('{"relaygen": "tr')
    Store(path, HEAD).append({"problem": "a"})
    assert Store(path, HEAD).records == [{"problem": "a"}]


def test_the_file_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    Store(path, HEAD)
    with pytest.raises(UsageError, match="its seed is 0, not 1"):
        Store(path, HEAD | {"seed": 1})


@pytest.mark.parametrize("broken", ["{not json}", "[1, 2]"])
def test_a_broken_line_in_the_middle_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "traces.jsonl"
    Store(path, HEAD)
    with path.open("a") as file:
        file.write(broken + "\n{}\n")
    with pytest.raises(UsageError, match="line 2"):
        Store(path, HEAD)


def test_a_folder_in_its_place_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        Store(tmp_path, HEAD)
