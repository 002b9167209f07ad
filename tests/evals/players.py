"""Pairs of scripted models that answer a task's questions, right as often as they are told."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from relaygen.chat import ChatTemplate
from relaygen.engines.scripted import EOS, Line, ScriptedEngine
from relaygen.evals.environment import Environment
from relaygen.evals.header import Extent, Header, Settings
from relaygen.evals.types import Result, Sample, Score
from relaygen.profile import Profile
from relaygen.relay import Options, Relay
from relaygen.types import LARGE, SMALL, Ending, Role, Segment, Trace, Usage

TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]<think>"
PROFILE = Profile(name="test", origin="provisional", cues=("Thus",))
QUESTION = re.compile(r"\[user\](.*?)\[assistant\]", re.DOTALL)
THOUGHT = "Let me see. It is a sum. Thus the rest is easy. Add them. So I am done.</think>"


def answers(samples: Sequence[Sample], right: Callable[[Sample], bool], delay: float = 0.0) -> Callable[[str], Line]:
    """A script that goes on from wherever the prompt stops: with the thought, then with the answer."""
    known = {sample.input: sample for sample in samples}

    def play(prompt: str) -> Line:
        found = QUESTION.search(prompt)
        assert found, "the prompt has the question"
        sample = known[found[1]]
        value = sample.target if right(sample) else "-987654"
        whole = f"{THOUGHT}\n\nThe answer is \\boxed{{{value}}}.{EOS}"
        written = prompt.partition("[assistant]<think>")[2]
        return Line(whole[len(written) :], delay=delay)

    return play


def make_relay(samples: Sequence[Sample], *, large: float = 0.9, small: float = 0.5, delay: float = 0.0) -> Relay:
    """A relay of two players that are right on fixed shares of the samples."""

    def able(share: float) -> Callable[[Sample], bool]:
        return lambda sample: random.Random(sample.id).random() < share

    plain = ChatTemplate(TEMPLATE)
    first = ScriptedEngine(answers(samples, able(large), delay), name="player:large", template=plain)
    second = ScriptedEngine(answers(samples, able(small), delay / 2), name="player:small", template=plain)
    return Relay(first, second, profile=PROFILE, options=Options(max_tokens=400))


def make_samples(count: int, scorer: str = "exact") -> list[Sample]:
    """Questions whose answers are numbers."""
    return [
        Sample(id=f"sums/{i}", task="sums", input=f"What is {i} + {i}?", target=str(2 * i), scorer=scorer)
        for i in range(count)
    ]


def make_header(policies: Sequence[str] = ("large", "small"), samples: int = 4, *, seed: int = 0) -> Header:
    """A header as a run of the players would have."""
    settings = Settings(
        tasks=("sums",),
        samples_from={"sums": "0"},
        policies=tuple(policies),
        models={role: {"reference": role, "engine": role, "fingerprint": "0"} for role in ("large", "small")},
        profile=PROFILE.model_dump(mode="json"),
        sampling={"temperature": 0.6},
        seed=seed,
        max_tokens=400,
    )
    place = Environment(relaygen="0.1.0", python="3.11", processor="abacus", cores=2, memory_gib=4)
    return Header(
        created="2026-01-01T00:00:00+00:00", settings=settings, extent=Extent(samples=samples), environment=place
    )


def make_trace(large: int = 6, small: int = 4, seconds: float = 1.0, *, finish: str = "stop", text: str = "") -> Trace:
    """A trace of two segments: large thinks until a cue, small answers; large writes twice as slowly."""
    share = seconds * 0.9 / max(1, 2 * large + small)
    segments = [
        _segment(LARGE, large, text or "L" * large, share * 2 * large, Ending.CUE, "Thus"),
        _segment(SMALL, small, "S" * small, share * small, Ending.EOS, ""),
    ]
    return Trace(
        policy="p",
        prompt=(1, 2, 3),
        segments=tuple(s for s in segments if s.tokens),
        usage=Usage(prompt_tokens=3, large_tokens=large, small_tokens=small, wasted_large=1),
        finish_reason=finish,
        seconds=seconds,
        first_token_seconds=seconds / 10,
    )


def make_result(
    policy: str, sample: Sample, *, correct: bool = True, epoch: int = 0, trace: Trace | None = None
) -> Result:
    """A scored result."""
    score = Score(correct=correct, answer="1")
    return Result(policy=policy, sample=sample, epoch=epoch, seed=1, trace=trace or make_trace(), score=score)


def _segment(role: Role, count: int, text: str, seconds: float, ending: Ending, why: str) -> Segment:
    margins = tuple(0.5 + 0.4 * (-1) ** i for i in range(count))
    return Segment(
        role=role,
        tokens=tuple(range(count)),
        text=text,
        ending=ending,
        why=why,
        thinking=role is LARGE,
        seconds=seconds,
        margins=margins,
    )


@dataclass(frozen=True)
class Folder:
    """A place for files of benchmarks."""

    path: Path

    def write(self, name: str, content: str | bytes) -> Path:
        """Writes a file there."""
        file = self.path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file
