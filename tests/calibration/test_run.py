"""Calibration from end to end on a planted pair."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.calibration.planted import PlantedEngine, after, merging_tokenizer, relay, thought

from relaygen.calibration import Calibration, Rule, Settings, Switching, calibrate
from relaygen.calibration.report import save_figures, save_report
from relaygen.errors import EngineError, UsageError
from relaygen.profile import parse_profile, profile_text
from relaygen.relay import Relay
from relaygen.types import LARGE, SMALL

pytestmark = pytest.mark.anyio
N = 12
SETTINGS = Settings(n=N, pace=2, answers=N, scorer="small")
RULE = Rule(resamples=200)


def write(prompt: str) -> str:
    """What both models write: a trace that varies with the question, or an answer after one."""
    if "</think>" in prompt:
        return "\\boxed{7}<|end|>"
    k = sum(map(ord, prompt.partition("|")[0])) % 89 + 11
    return thought(
        "Okay, let us see.",
        f"The digits are {k} and {2 * k}.",
        f"Thus, this is easy{' indeed' * (k % 3)} to write down.",
        "Now we compute 3 times 4.",
        "So it is twelve.",
    )


def digits(text: str) -> list[int]:
    return [match.start() for match in re.finditer(r"\d", text)]


def pair(
    large: Callable[[str], str] = write, small: Callable[[str], str] = write, name: str = "S", sure: float = 0.0
) -> tuple[PlantedEngine, PlantedEngine]:
    """Large is at least `sure` of digits, which small would write differently."""
    margins = after({"Thus": 0.9, "Now": 0.2})

    def surer(text: str) -> list[float]:
        return [max(m, sure * c.isdigit()) for c, m in zip(text, margins(text), strict=True)]

    return PlantedEngine(large, surer, name="L"), PlantedEngine(small, margins, digits, name=name)


async def run(tmp_path: Path, settings: Settings = SETTINGS, rule: Rule = RULE, **engines: Any) -> Calibration:
    return await calibrate(_relay(**engines), settings, rule, tmp_path / "work")


def _relay(**engines: Any) -> Relay:
    return relay(*pair(**engines), max_tokens=1000)


async def test_the_easy_cue_is_found_and_the_hard_one_is_not(tmp_path: Path) -> None:
    found = await run(tmp_path)
    profile = found.profile
    assert profile.cues == ("Thus",)
    assert (profile.origin, profile.answerer, profile.large, profile.small) == ("calibrated", SMALL, "L", "S")
    verdicts = {e.cue: e.verdict for e in found.choice.statistics}
    assert verdicts["Thus,"] == "covered"
    assert verdicts["Now"] == "not easier"
    assert "The digits" in verdicts  # discovered
    assert profile.evidence is not None
    assert "Hence" in profile.evidence.unseen
    assert profile.doubt is not None
    assert profile.doubt.guarded is None  # small errs at digits, and there are none behind "Thus"
    assert profile.doubt.sentence is not None


async def test_the_same_seeds_give_the_same_bytes(tmp_path: Path) -> None:
    texts = {
        profile_text((await run(tmp_path / name, settings)).profile)
        for name, settings in (
            ("one", SETTINGS),
            ("again", SETTINGS),
            ("several at once", replace(SETTINGS, concurrency=4)),
            ("small windows", replace(SETTINGS, window=9)),
        )
    }
    assert len(texts) == 1
    assert parse_profile(texts.pop(), "it").cues == ("Thus",)


async def test_a_killed_run_goes_on_and_ends_with_the_same_profile(tmp_path: Path) -> None:
    calls = 0

    def failing(prompt: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 15:
            raise EngineError("killed")
        return write(prompt)

    with pytest.raises(EngineError, match="killed"):
        await run(tmp_path, large=failing)
    resumed = await run(tmp_path)
    whole = await run(tmp_path / "whole")
    assert profile_text(resumed.profile) == profile_text(whole.profile)


async def test_another_choice_on_the_same_traces_asks_no_model(tmp_path: Path) -> None:
    await run(tmp_path)

    def refuse(prompt: str) -> str:
        raise AssertionError("the working files should do")

    settings = replace(SETTINGS, pace=0)
    found = await run(tmp_path, settings, replace(RULE, large_share=0.5), large=refuse, small=refuse)
    assert found.profile.selection is not None
    assert found.profile.selection.large_share == 0.5
    assert found.choice.effect.large_share <= 0.5
    assert any("would refuse" in note for note in found.notes)


async def test_a_share_out_of_reach_is_said(tmp_path: Path) -> None:
    found = await run(tmp_path, rule=replace(RULE, large_share=0.05))
    assert any("out of reach" in note for note in found.notes)


async def test_a_share_that_the_answer_alone_reaches_needs_no_cue(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Without any cue"):
        await run(tmp_path, rule=replace(RULE, large_share=0.99))


async def test_the_paper_rule_takes_the_published_list_only(tmp_path: Path) -> None:
    found = await run(tmp_path, rule=Rule(select="paper"))
    assert {e.origin for e in found.choice.statistics} == {"list"}
    assert found.profile.cues == ("Thus", "Thus,")


async def test_large_answers_when_the_answers_differ(tmp_path: Path) -> None:
    found = await run(tmp_path, small=lambda prompt: "\\boxed{0}<|end|>" if "</think>" in prompt else write(prompt))
    assert found.profile.answerer is LARGE
    assert found.answers is not None
    assert found.answers.same == 0
    assert found.choice.effect.answered == 0
    assert found.policy.profile.answerer is LARGE  # type: ignore[attr-defined]


async def test_brought_traces_are_read_instead_of_written(tmp_path: Path) -> None:
    first = await run(tmp_path)
    brought = replace(SETTINGS, traces=tmp_path / "work" / "traces.jsonl")
    again = await run(tmp_path / "again", brought)
    assert again.profile.cues == first.profile.cues
    assert again.profile.source is not None
    assert (again.profile.source.task, again.profile.source.temperature) == ("traces", None)
    assert any("name the field question" in note for note in again.notes)  # the planted template has no special token


@pytest.mark.parametrize("scorer", ["large", "both"])
async def test_the_other_scorers(tmp_path: Path, scorer: Any) -> None:
    found = await run(tmp_path, replace(SETTINGS, scorer=scorer), sure=0.95 if scorer == "both" else 0.0)
    assert found.profile.cues == ("Thus",)
    assert found.corpus.disagrees is (scorer == "both")
    assert (found.profile.predicted and found.profile.predicted.disagreements is None) is (scorer == "large")


async def test_a_small_model_with_another_vocabulary_reads_in_its_own(tmp_path: Path) -> None:
    large, small = pair()
    small.tokenizer = merging_tokenizer()
    found = await calibrate(relay(large, small, max_tokens=1000), SETTINGS, RULE, tmp_path)
    assert found.profile.cues == ("Thus",)
    first = found.corpus.readings[0].transcript
    assert first.tokenizer is small.tokenizer
    assert first.text.startswith("<think>Okay, let us see.")
    with pytest.raises(UsageError, match="one vocabulary"):
        await calibrate(relay(large, small, max_tokens=1000), replace(SETTINGS, scorer="both"), RULE, tmp_path)


async def test_what_does_not_fit_the_context_of_small_is_left_out_and_said(tmp_path: Path) -> None:
    whole = await run(tmp_path)
    large, small = pair()
    small.context = 200
    brought = replace(SETTINGS, traces=tmp_path / "work" / "traces.jsonl", answers=0)
    found = await calibrate(relay(large, small), brought, Rule(select="paper"), tmp_path / "short")
    assert found.corpus.tokens < whole.corpus.tokens
    assert any("longer than the scorer's context" in note for note in found.notes)


async def test_a_share_needs_small_to_have_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="use the scorer small or both"):
        await run(tmp_path, replace(SETTINGS, scorer="large"), replace(RULE, large_share=0.5))


async def test_traces_without_reasoning_are_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="None of the 12 traces has a reasoning stage"):
        await run(tmp_path, large=lambda prompt: "\\boxed{7}<|end|>")


async def test_no_cue_left_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"None of the \d candidates that occur passed"):
        await run(tmp_path, rule=replace(RULE, min_problems=N + 1))


async def test_a_model_that_solves_little_is_noticed(tmp_path: Path) -> None:
    found = await run(tmp_path)
    (note,) = found.notes
    assert re.fullmatch(r"Large solved only [01] of 12 problems; are prompt and budget right\?", note)


@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"answers": -1}, {"answer_threshold": 2.0}, {"added": (" ",)}, {"window": 0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)


async def test_progress_is_told_stage_by_stage(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    await calibrate(_relay(), SETTINGS, RULE, tmp_path, progress=lambda *step: told.append(step))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["writing traces", "reading with small", "comparing answers", "measuring speed"]
    assert ("writing traces", N, N) in told


@pytest.mark.parametrize("match", ["word", "substring"])
async def test_the_page_shows_cues_charts_and_traces(tmp_path: Path, match: Any) -> None:
    settings = replace(SETTINGS, switching=Switching(match=match), added=("<b>",))
    found = await run(tmp_path, settings)
    save_report(found, tmp_path / "pages" / "cues.html")
    page = (tmp_path / "pages" / "cues.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert 'class="seg" title="after Thus' in page
    assert 'class="t other"' in page
    assert "&lt;b&gt;" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


async def test_charts_are_written_as_svg_and_png(tmp_path: Path) -> None:
    found = await run(tmp_path)
    save_figures(found, tmp_path / "figures")
    save_figures(found, tmp_path / "again")
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["frontier.png", "frontier.svg", "margins.png", "margins.svg"]
    for name in ("frontier.svg", "margins.svg"):
        assert (tmp_path / "figures" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


async def test_a_page_that_cannot_be_written_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = await run(tmp_path)
    for write_it in (
        partial(save_report, found, tmp_path / "file" / "x"),
        partial(save_figures, found, tmp_path / "file"),
    ):
        with pytest.raises(UsageError, match="can't be written"):
            write_it()
