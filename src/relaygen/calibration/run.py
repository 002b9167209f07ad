"""Calibration from end to end: traces, readings, answers, statistics, a choice, a profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relaygen.calibration.answers import answerer, compare_answers, in_vocabulary
from relaygen.calibration.candidates import candidates
from relaygen.calibration.choose import Choice, choose
from relaygen.calibration.collect import Recorded, Tick, collect, read_traces
from relaygen.calibration.doubt import doubt_of
from relaygen.calibration.pace import Pace, measure
from relaygen.calibration.questions import Question, questions
from relaygen.calibration.record import profile_of
from relaygen.calibration.scoring import Reading, Scorer, readings, score, scored_by
from relaygen.calibration.select import Rule
from relaygen.calibration.sites import Sites, Switching
from relaygen.calibration.statistics import Corpus
from relaygen.calibration.transcript import Transcript
from relaygen.errors import UsageError
from relaygen.policies import Policy
from relaygen.profile import Answers, Profile
from relaygen.relay import Relay
from relaygen.types import LARGE, Role

Progress = Callable[[str, int, int], None]
"""Told the stage, how many items are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is measured and how; `Rule` says what is made of it. Counts of traces, tokens and problems."""

    name: str = "calibrated"
    task: str = "nano"
    n: int = 200
    first: int = 0
    traces: Path | None = None
    concurrency: int = 1
    scorer: Scorer = "both"
    window: int = 2048
    switching: Switching = field(default_factory=Switching)
    listed: bool = True
    added: tuple[str, ...] = ()
    discover: int | None = None
    answers: int = 100
    answer_threshold: float = 0.99
    pace: int = 4
    date: str | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.window < 1:
            raise UsageError("concurrency and window must be at least 1.")
        if min(self.answers, self.pace, self.discover or 0) < 0:
            raise UsageError("answers, pace and discover must not be negative; 0 leaves that part out.")
        if not 0 <= self.answer_threshold <= 1:
            raise UsageError(f"The answer threshold must be between 0 and 1, not {self.answer_threshold}.")
        if not all(cue.strip() for cue in self.added):
            raise UsageError("A cue must not be blank.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The profile, and what it was made from. `notes` are sentences that the user should read."""

    profile: Profile
    corpus: Corpus
    choice: Choice
    switching: Switching
    traces: tuple[Recorded, ...]
    answers: Answers | None = None
    pace: Pace | None = None
    notes: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        """RelayGen with the chosen cues, switching as it was measured."""
        return self.switching.policy(self.profile.cues, self.profile.answerer)


async def calibrate(
    relay: Relay,
    settings: Settings,
    rule: Rule,
    work: Path,
    *,
    progress: Progress = lambda stage, done, total: None,
) -> Calibration:
    """Calibrates the pair of `relay`. Working files in the folder `work` make a killed run go on where it was.

    The same seeds give the same profile. Raises UsageError when a setting, a file or the traces can't be used, or no
    cue is left; EngineError when a model fails.
    """
    _check(relay, settings, rule)
    asked = [] if settings.traces else questions(settings.task, settings.first, settings.n)
    traces = await _traces(relay, settings, asked, work, progress)
    read = await _read(relay, settings, traces, work, progress)
    answers = await _answers(relay, settings, traces, work, progress)
    corpus = build_corpus(read, settings, rule)
    choice = choose(corpus, rule, settings.switching, answerer(answers))
    policy = settings.switching.policy(choice.cues, answerer(answers))
    doubt = doubt_of(corpus, policy, choice.effect, rule.catch)
    profile = profile_of(relay, settings, rule, corpus, choice, answers, doubt)
    return Calibration(
        profile=profile,
        corpus=corpus,
        choice=choice,
        switching=settings.switching,
        traces=tuple(traces),
        answers=answers,
        pace=await _pace(relay, settings, profile, asked, progress),
        notes=(*_notes(traces, read), *_doubts(relay, settings, traces), *choice.notes),
    )


def build_corpus(read: Sequence[Reading], settings: Settings, rule: Rule) -> Corpus:
    """The readings with every candidate's sites. Openings are discovered unless the paper's rule was asked for."""
    discover = settings.discover if settings.discover is not None else (0 if rule.select == "paper" else 60)
    match = settings.switching.match
    found = candidates(
        read,
        match=match,
        listed=settings.listed,
        added=settings.added,
        discover=discover,
        min_problems=rule.min_problems,
    )
    cues = [candidate.cue for candidate in found]
    return Corpus(read, [Sites(r.transcript, len(r), cues, settings.switching) for r in read], found)


def _check(relay: Relay, settings: Settings, rule: Rule) -> None:
    if len({relay.engines[role].tokenizer.fingerprint for role in scored_by(settings.scorer)}) > 1:
        raise UsageError("The scorer both needs models with one vocabulary; these have two. Use the scorer small.")
    if rule.large_share is not None and settings.scorer == "large":
        raise UsageError("A large share is aimed at with small's agreement: use the scorer small or both.")


async def _traces(
    relay: Relay, settings: Settings, asked: Sequence[Question], work: Path, progress: Progress
) -> list[Recorded]:
    if settings.traces:
        large = relay.engines[LARGE]
        return read_traces(settings.traces, large.template, large.tokenizer)
    tick = _ticker(progress, "writing traces", len(asked))
    return await collect(relay, asked, work / "traces.jsonl", concurrency=settings.concurrency, tick=tick)


async def _read(
    relay: Relay, settings: Settings, traces: Sequence[Recorded], work: Path, progress: Progress
) -> list[Reading]:
    roles = scored_by(settings.scorer)
    by_role = {role: _transcripts(relay, role, traces) for role in roles}
    by = {}
    for role in roles:
        tick = _ticker(progress, f"reading with {role.value}", len(traces))
        by[role] = await score(
            relay.engines[role],
            by_role[role],
            work / f"scores-{role.value}.jsonl",
            window=settings.window,
            concurrency=settings.concurrency,
            tick=tick,
        )
    return readings(traces, by_role[roles[0]], by)


async def _answers(
    relay: Relay, settings: Settings, traces: Sequence[Recorded], work: Path, progress: Progress
) -> Answers | None:
    compared = traces[: settings.answers]
    if not compared:
        return None
    return await compare_answers(
        relay,
        compared,
        work / "answers.jsonl",
        threshold=settings.answer_threshold,
        concurrency=settings.concurrency,
        tick=_ticker(progress, "comparing answers", len(compared)),
    )


async def _pace(
    relay: Relay, settings: Settings, profile: Profile, asked: Sequence[Question], progress: Progress
) -> Pace | None:
    timed = asked[: settings.pace]
    policy = settings.switching.policy(profile.cues, profile.answerer)
    return await measure(relay, policy, timed, _ticker(progress, "measuring speed", len(timed))) if timed else None


def _transcripts(relay: Relay, role: Role, traces: Sequence[Recorded]) -> list[Transcript]:
    """The traces in the vocabulary of `role`."""
    own, its = relay.engines[LARGE].tokenizer, relay.engines[role].tokenizer
    return [Transcript(its, in_vocabulary(its, own, t.prompt), in_vocabulary(its, own, t.tokens)) for t in traces]


def _ticker(progress: Progress, stage: str, total: int) -> Tick:
    return lambda done: progress(stage, done, total)


def _doubts(relay: Relay, settings: Settings, traces: Sequence[Recorded]) -> list[str]:
    """Whether prompts that were brought look as the model reads them."""
    special = relay.engines[LARGE].tokenizer.special_ids
    if not settings.traces or not special or any(id in special for trace in traces for id in trace.prompt):
        return []
    why = "if they are bare questions, name the field question, and the model's template is put around them"
    return [f"None of the prompts holds a special token of the model: {why}."]


def _notes(traces: Sequence[Recorded], read: Sequence[Reading]) -> list[str]:
    notes = []
    if left_out := len(traces) - len(read):
        why = "no reasoning, a prompt beyond the scorer's context, or going round in circles"
        notes.append(f"{left_out} of {len(traces)} traces were left out: {why}.")
    if clipped := sum(len(r) < r.transcript.reasoning_length for r in read):
        notes.append(f"{clipped} traces are longer than the scorer's context; the rest of them was not read.")
    judged = [t.solved for t in traces if t.solved is not None]
    if judged and sum(judged) < len(judged) / 2:
        notes.append(f"Large solved only {sum(judged)} of {len(judged)} problems; are prompt and budget right?")
    return notes
