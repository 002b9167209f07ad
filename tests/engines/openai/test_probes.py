"""The start-up probes, on fake servers that are well and on some that are not."""

from __future__ import annotations

import json

import pytest
from tests.engines.openai.fakes import FakeServer, engine_on
from tests.engines.openai.test_parts import merging

from relaygen.chat import ChatTemplate
from relaygen.cli import main
from relaygen.engines.openai import probes
from relaygen.engines.openai.client import Client
from relaygen.engines.openai.probes import Verdict, findings, pair_findings
from relaygen.engines.scripted import TEMPLATE, ScriptedEngine

pytestmark = pytest.mark.anyio


async def verdicts(server: FakeServer, template: str = TEMPLATE) -> dict[str, tuple[str, str]]:
    engine = engine_on(server)
    engine.template = ChatTemplate(template)
    return {probe: (verdict.value, detail) async for probe, verdict, detail in findings(engine)}


async def test_a_good_server_passes_all_probes() -> None:
    found = await verdicts(FakeServer("vllm", "", free=True))
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert list(found) == ["model", *probes.PROBES]


async def test_the_block_size_of_the_cache_is_found() -> None:
    assert "blocks of 16 tokens" in (await verdicts(FakeServer("vllm", "", free=True)))["prefix cache"][1]


async def test_a_cache_that_is_not_told_is_skipped_with_advice() -> None:
    found = await verdicts(FakeServer("vllm", "", free=True, caches=False))
    assert found["prefix cache"][0] == "skipped"
    assert "--enable-prompt-tokens-details" in found["prefix cache"][1]


async def test_another_tokenizer_on_the_server_fails() -> None:
    found = await verdicts(FakeServer("vllm", "", free=True, tokenizer=merging((b"a", b"i"), (b"W", b"a"))))
    assert found["tokens"][0] == "failed"


async def test_another_template_on_the_server_is_a_warning() -> None:
    found = await verdicts(FakeServer("vllm", "", free=True), "{{ messages[0].content }}")
    assert found["template"][0] == "warning"


async def test_a_server_that_goes_on_after_an_abort_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.05)
    server = FakeServer("vllm", "", free=True)
    engine = engine_on(server)
    gauge = [1, 0]  # idle before the request, busy ever after

    async def running(client: Client) -> int:
        return gauge.pop() if len(gauge) > 1 else gauge[0]

    monkeypatch.setattr(engine.dialect, "running", running, raising=False)
    verdict, detail = await probes._abort(engine)
    assert (verdict, "still runs" in detail) == (Verdict.FAILED, True)


async def test_scaled_probabilities_are_a_warning() -> None:
    found = await verdicts(FakeServer("sglang", "", free=True))
    assert found["log-probabilities"][0] == "warning"


async def test_a_probe_that_breaks_has_failed_and_the_others_run() -> None:
    found = await verdicts(FakeServer("vllm", "", free=True, echo_shift=1))
    assert found["segments"][0] == "failed"
    assert "changed the prompt's token ids" in found["segments"][1]
    assert found["tokens"][0] == "ok"


async def test_text_servers_are_said_to_be_that() -> None:
    found = [finding async for finding in findings(engine_on(FakeServer("ollama", "", free=True)))]
    assert len(found) == 1
    assert found[0].verdict is Verdict.WARNING
    assert "text goes over the wire" in found[0].detail


async def test_vocabularies_of_a_pair_are_compared() -> None:
    same = pair_findings(ScriptedEngine([]), ScriptedEngine([]))
    assert [finding.verdict for finding in same] == [Verdict.OK, Verdict.OK]
    other = pair_findings(ScriptedEngine([]), ScriptedEngine([], tokenizer=merging((b"a", b"i"))))
    assert other[0].verdict is Verdict.WARNING


def test_check_tells_what_can_not_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["check", "--large", "http://127.0.0.1:9/v1", "--small", "http://127.0.0.1:9/v1", "--json"])
    assert left.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["large"][0]["verdict"] == "failed"
    assert found["pair"] == []


def test_check_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--large", "http://127.0.0.1:9/v1", "--small", "http://127.0.0.1:9/v1"])
    assert "can't be reached" in " ".join(capsys.readouterr().out.split())
