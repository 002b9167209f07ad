"""What every command has in common: one clear sentence for what the user can mend, and a fast `--help`."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from tests.cli.console import call, complaint, scripts, start

from relaygen.errors import ProfileWarning

HEAVY = ("numpy", "onnxruntime", "tokenizers", "pydantic", "jinja2", "anyio")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from relaygen.cli import main; main(); print(*sys.modules, file=sys.stderr)"
    out, err = start("--help", code=code).communicate()
    assert b"One answer, two models" in out
    assert {"rich", "relaygen"} < set(err.decode().split())
    assert not set(HEAVY) & set(err.decode().split())


@pytest.mark.parametrize("command", ["run", "demo", "convert", "policies"])
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    called = call(capsys, command, "--help")
    assert (called.code, called.err) == (0, "")
    assert f"relaygen {command}" in called.out


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    return scripts(tmp_path, '["a</think>"]', '["b"]')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], 'Unknown command "nonsense"'),
        (["run"], "requires an argument"),
        (["run", ""], "The question is empty"),
        (["run", " \n"], "The question is empty"),
        (["run", "Q", "R"], "Unused Tokens: ['R']"),
        (["run", "Q", "--polciy", "large"], "Unknown option: --polciy. Did you mean --policy?"),
        (["run", "--polciy"], "Unknown option: --polciy"),
        (["run", "Q", "--policy", "medium"], "There is no policy 'medium'; there are relaygen, "),
        (["run", "Q", "--policy", "random(share=2)"], "share must be between 0 and 1, not 2"),
        (["run", "Q", "--policy", "random(share=0.7"], "is not a policy; write it like"),
        (["run", "Q", "--profile", "nowhere"], "There is no profile 'nowhere'"),
        (["run", "Q", "--config", "nowhere.toml"], "The configuration nowhere.toml can't be read: No such file"),
        (["run", "Q", "--temperature", "-1"], "temperature must be a number of at least 0, not -1.0"),
        (["run", "Q", "--temperature", "nan"], "temperature must be a number"),
        (["run", "Q", "--temperature", "hot"], 'unable to convert "hot" into float'),
        (["run", "Q", "--top-p", "0"], "top_p must be above 0"),
        (["run", "Q", "--top-k", "-2"], "top_k must not be negative"),
        (["run", "Q", "--min-p", "7"], "min_p must be between 0 and 1"),
        (["run", "Q", "--seed", "1.5"], 'Invalid value for --seed: "1.5" is not a whole number.'),
        (["run", "Q", "--max-tokens", "0"], "max_tokens must be at least 1, not 0"),
        (["run", "Q", "--stop", ""], "A stop text must not be empty"),
        (["run", "\ud800"], "The text is not valid Unicode: surrogates not allowed"),
        (["demo", "-n", "0"], "n must be between 1 and 20000, not 0"),
        (["demo", "-n", "-4"], "n must be between 1 and 20000, not -4"),
        (["demo", "-n", "few"], 'Invalid value for -n: "few" is not a whole number.'),
        (["demo", "-n", "2.5"], 'Invalid value for -n: "2.5" is not a whole number.'),
        (["demo", "--task", "sums"], "There is no task 'sums'; relay-nano's are chain_sum"),
        (["demo", "--policy", "medium"], "There is no policy 'medium'"),
        (["convert"], "requires an argument"),
        (["convert", "a", "b", "--precision", "int3"], 'Invalid value "int3"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_be_mended_is_one_sentence(
    capsys: pytest.CaptureFixture[str], pair: list[str], arguments: list[str], said: str
) -> None:
    flags = pair if arguments[0] in ("run", "demo") else []
    assert said in complaint(call(capsys, *arguments, *flags))


@pytest.mark.parametrize("command", [["run", "Q"], ["demo", "-n", "1"]])
def test_a_missing_model_folder(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    said = complaint(call(capsys, *command, "--large", "nowhere/model"))
    assert said.startswith("The model folder nowhere/model does not exist")


def test_an_embedded_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(call(capsys, "run", "Q", "--small", "nano:medium"))
    assert said == "The embedded pair has the models nano:large and nano:small, not nano:medium."


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", "{", "The tokenizer in {} can't be used: The tokenizer.json can't be read"),
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("genai_config.json", "[]", "genai_config.json should hold a JSON object"),
        ("genai_config.json", None, "has no genai_config.json"),
        ("chat_template.jinja", "{% if %}", "The chat template in {} can't be used"),
    ],
)
def test_a_broken_model_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, nano_small: Path, name: str, content: str | None, said: str
) -> None:
    folder = shutil.copytree(nano_small, tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_text(content)
    assert said.format(folder) in complaint(call(capsys, "run", "Q", "--large", str(folder), "--small", str(folder)))


def test_a_question_longer_than_the_context(capsys: pytest.CaptureFixture[str], pair: list[str]) -> None:
    said = complaint(call(capsys, "run", "long " * 20, "--context", "64", *pair))
    assert said.startswith("The prompt has 120 tokens, but scripted:large has a context of 64")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_standard_input_without_a_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pair: list[str], content: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
    said = complaint(call(capsys, "run", "-", *pair))
    assert ("not utf-8" if content.startswith(b"\xff") else "The question is empty") in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "should hold a list named lines"),
        ("lines = 3", "each line is a text or a table with a text"),
        ("lines = [", "should hold a list named lines"),
        ('lines = [{txt = "a"}]', "each line is a text or a table with a text"),
    ],
)
def test_a_broken_script(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(content)
    assert said in complaint(call(capsys, "run", "Q", "--large", f"scripted:{path}"))
    path.unlink()
    assert "can't be read" in complaint(call(capsys, "run", "Q", "--large", f"scripted:{path}"))


def test_flags_win_over_the_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path, pair: list[str]) -> None:
    config = tmp_path / "relay.toml"
    config.write_text(f'large = "{pair[1]}"\nsmall = "{pair[3]}"\nmax_tokens = 1\n[sampling]\nseed = 5\n')
    given = call(capsys, "run", "Q", "--config", str(config), "--json")
    assert (json.loads(given.out)["text"], json.loads(given.out)["seed"]) == ("a", 5)
    won = call(capsys, "run", "Q", "--config", str(config), "--json", "--max-tokens", "99", "--seed", "6")
    assert (json.loads(won.out)["text"], json.loads(won.out)["seed"]) == ("a</think>b", 6)


def test_conversion_is_handed_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[object] = []

    def build(source: str, out: Path, precision: str, *, hidden_states: bool) -> Path:
        seen.extend((source, out, precision, hidden_states))
        return out

    monkeypatch.setattr("relaygen.convert.convert", build)
    out = tmp_path / "[out]"
    called = call(capsys, "convert", "model", str(out), "--precision", "int4", "--hidden-states")
    assert seen == ["model", out, "int4", True]
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith(f"Wrote {out}. Try:")


def test_policies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    called = call(capsys, "policies")
    assert called.code == 0
    for name in ("relaygen", "large", "small", "answer-only", "random"):
        assert name in called.out


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def warn() -> None:
        import warnings

        warnings.simplefilter("always")
        warnings.warn("That is odd.", ProfileWarning, stacklevel=1)

    monkeypatch.setattr("relaygen.cli.app", lambda *arguments, **settings: warn())
    assert call(capsys, "policies") == (0, "", "relaygen: That is odd.\n")
