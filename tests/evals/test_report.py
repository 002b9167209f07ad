"""The report and the tables of a planted run."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.evals.players import make_header, make_trace
from tests.evals.runs import NASTY, POLICIES, plant

from relaygen.errors import UsageError
from relaygen.evals.browse import choose, entries, pieces
from relaygen.evals.charts import margins
from relaygen.evals.log import EvalLog
from relaygen.evals.report import report
from relaygen.evals.run import Run
from relaygen.evals.tables import QUALITY, as_csv, as_markdown
from relaygen.types import SMALL, Ending, Segment, Trace, Usage

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Balanced(HTMLParser):
    """Raises when elements do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closes itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return plant(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return report(run)


def test_the_page_is_whole(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert page.startswith("<!doctype html>")
    assert all(f"<h2>{name}</h2>" in page for name in ("Quality", "Cost", "Charts", "Details", "Samples"))


def test_the_page_needs_nothing_else(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\((?!#)', page)
    assert "<script" not in page


def test_what_models_write_is_text(page: str) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>bold" not in page


def test_every_number_stands_under_its_configuration(page: str) -> None:
    for name in ("models", "profile", "sampling", "seed", "budget", "machine", "software", "begun"):
        assert f"<dt>{name}</dt>" in page


def test_the_same_log_gives_the_same_page(run: Run, page: str) -> None:
    assert report(run) == page


def test_there_are_four_charts(page: str) -> None:
    labels = re.findall(r'<svg role="img" aria-label="([^"]*)"', page)
    assert [label.split(" ")[0] for label in labels] == ["Accuracy", "Accuracy", "Time", "Margins"]


def test_a_run_that_is_not_complete_says_so(run: Run, page: str) -> None:
    assert "not complete" not in page
    extent = run.reader.header.extent
    with EvalLog.open(
        run.reader.path.parent,
        run.reader.header.model_copy(update={"extent": extent.model_copy(update={"samples": 99})}),
    ):
        pass
    assert "not complete" in report(Run.read(run.reader.path))


def test_errors_come_first_when_not_all_samples_fit(run: Run) -> None:
    assert choose(run.rows, 1) == {("sums/2", 0)}
    shown = entries(run.reader, choose(run.rows, 5), POLICIES)
    assert len(shown) == 5
    assert [answer.verdict for answer in next(e for e in shown if e.sample.id == "sums/2").answers][1] == "error"
    assert "Samples</h2>" not in report(run, browse=0)


def test_a_segment_says_who_wrote_it_and_why_it_ended() -> None:
    first, second = pieces(make_trace())
    assert (first.css, second.css) == ("large", "small")
    assert first.about.endswith("ended by cue 'Thus'")
    assert "6 tokens" in first.about


def test_the_middle_of_a_long_answer_is_left_out() -> None:
    trace = make_trace(text="a" * 600 + "b" * 600)
    shown = pieces(trace, longest=100)
    text = "".join(piece.text for piece in shown)
    assert text.startswith("a" * 50 + "\n… ")
    assert text.endswith("b" * 46 + "SSSS")
    assert "1104 characters left out" in text


def test_a_trace_without_margins_has_no_chart() -> None:
    segment = Segment(role=SMALL, tokens=(1,), text="x", ending=Ending.EOS)
    trace = Trace(policy="p", prompt=(), segments=(segment,), usage=Usage(), finish_reason="stop", seconds=1)
    assert margins(trace, "x") is None


def test_markdown_has_a_line_for_each_policy(run: Run) -> None:
    lines = as_markdown(run.summaries, QUALITY).splitlines()
    assert len(lines) == 2 + len(POLICIES)
    assert lines[0].startswith("| policy | accuracy |")
    assert len({line.count(" | ") for line in lines}) == 1


def test_csv_has_all_numbers_unrounded(run: Run) -> None:
    rows = {line["policy"]: line for line in csv.DictReader(io.StringIO(as_csv(run.summaries)))}
    assert list(rows) == list(POLICIES)
    assert float(rows["relaygen"]["large_share"]) == pytest.approx(13 / 20)
    assert float(rows["small"]["errors"]) == 1
    assert float(rows["relaygen"]["speed_up"]) == pytest.approx(
        sum((40 + i % 3) for i in range(12)) / sum((33 + i % 3) for i in range(12))
    )
    assert rows["large"]["versus_large"] == ""


def test_a_log_without_results_has_no_report(tmp_path: Path) -> None:
    EvalLog.open(tmp_path, make_header()).close()
    with pytest.raises(UsageError, match="holds no results yet"):
        Run.read(tmp_path)


def test_long_words_are_in_the_planted_run() -> None:
    assert max(map(len, NASTY.split())) > 200
