"""The front door, for async code and for ordinary code."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from tests.pairs import drained, listed, pair

import relaygen.relay.relay as front
from relaygen.engines import EngineSettings, Params
from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.errors import EngineError, ModelError, ProfileError, UsageError
from relaygen.policies import Policy, Write
from relaygen.relay import Options, Relay
from relaygen.types import LARGE, SMALL, Finished, Sampling, Written
from relaygen.until import think_end

pytestmark = pytest.mark.anyio
BOTH = listed(Write(LARGE, think_end()), Write(SMALL))


def test_generate_answers_again_and_again() -> None:
    with pair(["a</think>", "b</think>"], ["1", "2"], policy=BOTH) as relay:
        assert [relay.generate("Q").text, relay.generate("Q").text] == ["a</think>1", "b</think>2"]


def test_the_conversation_is_rendered_with_the_models_template() -> None:
    with pair(["a</think>"], ["1"], policy=BOTH) as relay:
        trace = relay.generate([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Q"}])
        rendered = relay.engines[LARGE].tokenizer.decode(trace.prompt)
    assert rendered == "system: Be brief.\nuser: Q\nassistant: <think>\n"


def test_without_thinking_there_is_only_an_answer() -> None:
    with pair([], ["1"]) as relay:
        assert relay.generate("Q", options=Options(thinking=False)).answer == "1"


def test_events_come_in_order_and_end_with_the_trace() -> None:
    with pair(["a</think>"], ["1"], policy=BOTH) as relay:
        events = list(relay.events("Q"))
    assert isinstance(events[-1], Finished)
    assert "".join(e.text for e in events if isinstance(e, Written)) == events[-1].trace.text


def test_leaving_the_events_aborts_the_generation() -> None:
    engine = ScriptedEngine([Line("word " * 99, delay=1e-3), "b</think>"])
    with Relay(engine, ScriptedEngine(["2"]), policy=BOTH) as relay:
        events = relay.events("Q")
        next(events)
        events.close()
        assert engine.running == 0
        assert engine.produced < 99
        assert relay.generate("Q").text == "b</think>2"


def test_errors_reach_ordinary_code() -> None:
    with pair([Line("abc", fail_after=2)], policy=BOTH) as relay:
        with pytest.raises(EngineError) as caught:
            relay.generate("Q")
        assert caught.value.trace is not None
        with pytest.raises(UsageError, match="The question is empty"):
            relay.generate(" ")


def test_closing_frees_the_models_and_the_thread() -> None:
    before = threading.active_count()
    relay = pair(["a</think>"], ["1"], policy=BOTH)
    relay.generate("Q")
    relay.close()
    relay.close()
    assert [engine.closed for engine in relay.engines.values()] == [True, True]  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_closing_what_was_never_used_frees_the_models_too() -> None:
    with pair() as relay:
        pass
    assert relay.engines[LARGE].closed  # type: ignore[attr-defined]


async def test_async_code_streams_and_generates() -> None:
    async with pair(["a</think>", "b</think>"], ["1", "2"], policy=BOTH) as relay:
        events = await drained(relay.stream("Q"))
        assert (await relay.agenerate("Q")).text == "b</think>2"
    assert isinstance(events[-1], Finished)
    assert relay.engines[SMALL].closed  # type: ignore[attr-defined]


async def test_generations_may_overlap() -> None:
    def large(prompt: str) -> str:
        return f"{prompt[6]}</think>"

    relay = Relay(ScriptedEngine(large), ScriptedEngine(lambda prompt: "1"), policy=BOTH)
    texts: dict[str, str] = {}

    async def ask(name: str) -> None:
        texts[name] = (await relay.agenerate(name)).text

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(ask, name)
    assert texts == {name: f"{name}</think>1" for name in "abc"}


def test_policy_and_options_may_differ_from_call_to_call() -> None:
    with pair(["a", "So, b"], ["1", "2"], policy="large") as relay:
        assert relay.generate("Q", policy="small").segments[0].role is SMALL
        assert relay.generate("Q", options=Options(max_tokens=1)).usage.completion_tokens == 1
        with pytest.raises(UsageError, match="no policy 'medium'"):
            relay.generate("Q", policy="medium")


def test_one_model_may_play_both_roles() -> None:
    engine = ScriptedEngine(["a</think>", "1"])
    with Relay(engine, engine, policy=BOTH) as relay:
        assert relay.generate("Q").text == "a</think>1"


@dataclass
class Sampled:
    """Makes tokens from seed and position alone, as engines with a sampler do."""

    asked: list[int] = field(default_factory=list)

    def engine(self) -> ScriptedEngine:
        sampled = self

        class Engine(ScriptedEngine):
            def stream(self, prompt: Sequence[int], params: Params, until: object = None) -> object:  # type: ignore[override]
                sampled.asked.append(params.offset)
                drawn = (97 + hash((params.sampling.seed, params.offset + i)) % 26 for i in range(200))
                self._lines = iter([Line(bytes(drawn).decode(), ends=False)])
                return super().stream(prompt, params, until)  # type: ignore[arg-type]

        return Engine([])


@pytest.mark.parametrize("policy", ["large", "small", "random(share=0.5)", "relaygen"])
def test_what_is_drawn_depends_on_seed_and_place_alone(policy: str) -> None:
    options = {seed: Options(sampling=Sampling(seed=seed), max_tokens=150) for seed in (1, 2)}
    with Relay(Sampled().engine(), Sampled().engine(), policy=policy) as relay:
        one, two, other = (relay.generate("Q", options=options[seed]) for seed in (1, 1, 2))
        whole = relay.generate("Q", policy="large", options=options[1])
    assert one.tokens == two.tokens == whole.tokens != other.tokens
    assert (one.seed, other.seed) == (1, 2)


def test_each_segment_is_drawn_from_its_place() -> None:
    sampled = Sampled()
    policy = listed(Write(LARGE, max_tokens=4), Write(SMALL, max_tokens=3), Write(LARGE, max_tokens=2))
    with Relay(sampled.engine(), sampled.engine(), policy=policy) as relay:
        relay.generate("Q")
    assert sampled.asked == [0, 4, 7]


def test_a_profile_is_chosen_by_the_models_names() -> None:
    def chosen(large: str, small: str) -> str:
        return Relay(ScriptedEngine([], name=large), ScriptedEngine([], name=small)).profile.name

    assert chosen("Qwen3-32B", "Qwen3-1.7B") == "qwen3-32b-1.7b"
    assert chosen("DeepSeek-R1-Distill-Qwen-32B", "deepseek_r1_1.5b") == "r1-distill-32b-1.5b"
    assert chosen("model-ver1", "model-ver1") == chosen("a", "b") == "candidates"


def test_a_model_without_template_uses_the_others_or_is_refused() -> None:
    relay = pair()
    relay.engines[LARGE].template = None
    assert relay.prompt("Q").ids[LARGE]
    relay.engines[SMALL].template = None
    with pytest.raises(ModelError, match="Neither model has a chat template"):
        relay.prompt("Q")


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def create(reference: str, *settings: EngineSettings | None) -> ScriptedEngine:
        made.append(reference)
        return ScriptedEngine([], name=reference)

    monkeypatch.setattr(front, "create_engine", create)
    return made


def test_open_loads_both_models(monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(monkeypatch)
    with Relay.open("one", "two", profile="r1-distill-32b-1.5b") as relay:
        assert (made, relay.profile.name) == (["one", "two"], "r1-distill-32b-1.5b")


@pytest.mark.parametrize("wrong", [{"policy": "medium"}, {"policy": "random(share=2)"}, {"profile": "nowhere"}])
def test_what_is_wrong_is_said_before_any_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    made = opened(monkeypatch)
    with pytest.raises(UsageError):
        Relay.open("one", "two", **wrong)  # type: ignore[arg-type]
    assert made == []


def test_a_profile_that_is_missing_is_a_profile_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileError):
        pair(profile=str(tmp_path / "none.toml"))


def test_a_policy_may_be_any_object_with_a_name_and_steps() -> None:
    policy: Policy = listed(Write(SMALL))
    with pair([], ["</think>"], policy=policy) as relay:
        assert relay.generate("Q").policy == "listed"
