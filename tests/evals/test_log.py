"""The log: nothing finished is lost, nothing is there twice, and whatever is wrong is said."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.evals.players import make_header, make_result, make_samples

from relaygen.errors import UsageError
from relaygen.evals.header import Extent, Resumption
from relaygen.evals.log import EvalLog
from relaygen.evals.reading import LOG, LogReader, find_log
from relaygen.evals.types import Failure, Fault, Result

SAMPLES = make_samples(4)


def results(count: int = 3) -> list[Result]:
    return [make_result("large", sample) for sample in SAMPLES[:count]]


def begin(folder: Path, count: int = 3) -> Path:
    """A log with that many results."""
    with EvalLog.open(folder, make_header()) as log:
        for result in results(count):
            log.append(result)
    return folder / LOG


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    reader = LogReader(begin(tmp_path))
    assert reader.header == make_header()
    assert list(reader.results()) == results()


def test_a_log_is_found_by_its_folder_or_by_itself(tmp_path: Path) -> None:
    path = begin(tmp_path)
    assert find_log(tmp_path) == find_log(path) == LogReader(path)


def test_opening_again_knows_what_is_done(tmp_path: Path) -> None:
    begin(tmp_path)
    with EvalLog.open(tmp_path, make_header()) as log:
        assert log.done == {result.key for result in results()}
    assert [type(session).__name__ for session in LogReader(tmp_path / LOG).sessions] == ["Header", "Resumption"]


def test_a_run_may_grow(tmp_path: Path) -> None:
    begin(tmp_path)
    EvalLog.open(tmp_path, make_header(samples=900)).close()
    last = LogReader(tmp_path / LOG).sessions[-1]
    assert isinstance(last, Resumption)
    assert last.extent == Extent(samples=900)


@pytest.mark.parametrize("cut", [1, 2, 50, 400])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = begin(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    assert len(list(LogReader(path).results())) == 2
    with EvalLog.open(tmp_path, make_header()) as log:
        assert len(log.done) == 2
        log.append(results()[2])
    assert list(LogReader(path).results()) == results()


def test_every_place_at_which_writing_may_stop_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole").read_bytes()
    for number, end in enumerate(range(0, len(whole), 97)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / LOG).write_bytes(whole[:end])
        with EvalLog.open(folder, make_header()) as log:
            for result in results():
                if result.key not in log.done:
                    log.append(result)
        assert list(LogReader(folder / LOG).results()) == results()


def test_failures_are_known_until_they_are_made_good(tmp_path: Path) -> None:
    good = results(1)[0]
    bad = Result(
        policy=good.policy,
        sample=good.sample,
        epoch=0,
        seed=1,
        error=Failure(kind=Fault.ENGINE, message="gone"),
    )
    with EvalLog.open(tmp_path, make_header()) as log:
        log.append(bad)
        assert log.failed == log.done == {good.key}
        log.append(good)
        assert not log.failed


def test_another_configuration_is_refused_in_words(tmp_path: Path) -> None:
    path = begin(tmp_path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"seed was 0, now it is 5.*--out another folder"):
        EvalLog.open(tmp_path, make_header(seed=5))
    with pytest.raises(UsageError, match=r"policies was \['large', 'small'\], now it is \['large'\]"):
        EvalLog.open(tmp_path, make_header(["large"]))
    assert path.read_bytes() == before


def test_another_relaygen_is_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    other = make_header()
    newer = other.model_copy(update={"environment": other.environment.model_copy(update={"relaygen": "9.9"})})
    with pytest.raises(UsageError, match=r"relaygen was 0.1.0, now it is 9.9"):
        EvalLog.open(tmp_path, newer)


def change_header(path: Path, **changes: object) -> None:
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps(json.loads(first) | changes).encode() + b"\n" + rest)


def test_a_log_of_another_version_is_refused(tmp_path: Path) -> None:
    path = begin(tmp_path)
    change_header(path, version=2)
    with pytest.raises(UsageError, match="log of version 2, but this relaygen reads version 1"):
        find_log(tmp_path)
    with pytest.raises(UsageError, match="log of version 2"):
        EvalLog.open(tmp_path, make_header())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello\n", "first line is not JSON"),
        (b"[]\n", "not a header"),
        (b'{"kind": "header", "version": 1}\n', "header of .* is not valid: created"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / LOG).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        find_log(tmp_path)


def test_a_missing_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no evaluation log"):
        find_log(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\x00\x00", "line 3 is damaged"),
        (b'{"kind": "result"}', "line 3 is not a valid record"),
        (b'{"kind": "poem"}', "line 3 is not a record"),
        (b"17", "line 3 is not a record"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = begin(tmp_path)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[3:]]) + b"\n")
    with pytest.raises(UsageError, match=message):
        list(LogReader(path).results())
    with pytest.raises(UsageError, match=message):
        EvalLog.open(tmp_path, make_header())


def test_two_processes_never_write_one_log(tmp_path: Path) -> None:
    with (
        EvalLog.open(tmp_path, make_header()),
        pytest.raises(UsageError, match="being written by another process"),
    ):
        EvalLog.open(tmp_path, make_header())
    EvalLog.open(tmp_path, make_header()).close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written: Not a directory"):
        EvalLog.open(tmp_path / "file" / "run", make_header())


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    log = EvalLog.open(tmp_path, make_header())
    log.append(results()[0])
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UsageError, match=r"No space left on device.*run the same command again"):
        log.append(results()[1])
    monkeypatch.undo()
    assert (tmp_path / LOG).read_bytes().endswith(b"\n")
    log.append(results()[1])
    log.close()
    assert list(LogReader(tmp_path / LOG).results()) == results(2)


FILL = """
import sys
from pathlib import Path
from relaygen.evals.log import EvalLog
from tests.evals.players import make_header, make_result, make_samples
with EvalLog.open(Path(sys.argv[1]), make_header()) as log:
    for sample in make_samples(100):
        log.append(make_result("large", sample))
"""


def test_a_limit_of_the_system_is_a_full_disk_too(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    command = [sys.executable, "-c", FILL, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert "UsageError" in done.stderr
    assert "File too large" in done.stderr
    kept = list(LogReader(tmp_path / LOG).results())
    assert kept == [make_result("large", sample) for sample in make_samples(len(kept))]
    assert len(kept) > 1
    assert (tmp_path / LOG).stat().st_size <= 6000
