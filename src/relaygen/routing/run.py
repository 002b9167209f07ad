"""From a pair to its router: answers, labels, examples, training, a threshold, a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import relaygen
from relaygen.calibration import Progress
from relaygen.calibration.collect import collect
from relaygen.calibration.questions import questions
from relaygen.engines import fingerprint
from relaygen.engines.onnx import OnnxEngine
from relaygen.engines.routed.record import NETWORK, RECORD, Measured, RouterRecord, Training
from relaygen.engines.routed.router import TOP, Chances, chances, open_network
from relaygen.errors import MissingExtra, UsageError
from relaygen.files import write_text
from relaygen.problems import Split
from relaygen.profile import Fingerprints
from relaygen.relay import Relay
from relaygen.routing.examples import Examples, examples
from relaygen.routing.labels import Labelled, label
from relaygen.routing.shape import Shape
from relaygen.routing.verifiers import VerifierName
from relaygen.types import LARGE, SMALL

NEEDED = ("onnx", "torch")
HELD_OUT = 0.2  # of the problems, once to stop and choose the threshold on, and once to test
DIGITS = 4  # of measurements


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a router is made from: problems, verifier, wanted recall, network."""

    task: str = "nano"
    n: int = 200
    first: int = 0
    verifier: VerifierName = "answer"
    recall: float = 0.95
    concurrency: int = 1
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise UsageError("concurrency must be at least 1.")
        if not 0 < self.recall <= 1:
            raise UsageError(f"The recall must be above 0 and at most 1, not {self.recall}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A router in its folder, and the record that stands next to it."""

    folder: Path
    record: RouterRecord


async def train_router(
    relay: Relay,
    settings: Settings,
    out: Path,
    work: Path,
    *,
    progress: Progress = lambda stage, done, total: None,
) -> Trained:
    """Trains a router for the pair of `relay` and writes it to `out`.

    Working files in the folder `work` make a killed run go on where it was. Raises MissingExtra without the extra
    `router`, UsageError when the pair can't be routed, a file belongs to another run, or the answers hold too few
    divergences; EngineError when a model fails.
    """
    small = check_pair(relay)
    asked = questions(settings.task, settings.first, settings.n, Split.ROUTING)

    def ticker(stage: str, total: int) -> Callable[[int], None]:
        return lambda done: progress(stage, done, total)

    tick = ticker("writing answers", len(asked))
    traces = await collect(relay, asked, work / "traces.jsonl", concurrency=settings.concurrency, tick=tick)
    labelled = await label(
        relay,
        traces,
        work / "labels.jsonl",
        judge=settings.verifier,
        concurrency=settings.concurrency,
        tick=ticker("judging differences", sum(trace.finish == "stop" for trace in traces)),
    )
    top = min(TOP, small.tokenizer.vocab_size)
    seen = await examples(small, labelled, top, ticker("reading with small", len(labelled)))
    parts = split(seen, relay.options.sampling.seed)
    return _trained(relay, settings, labelled, parts, out, ticker("training", settings.shape.epochs))


def check_pair(relay: Relay) -> OnnxEngine:
    """The small model. Raises MissingExtra without the packages, UsageError when the pair can't be routed."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise MissingExtra(package, "router")
    large, small = relay.engines[LARGE], relay.engines[SMALL]
    if not isinstance(large, OnnxEngine) or not isinstance(small, OnnxEngine):
        raise UsageError(f"A router needs models in this process, unlike {large.name} or {small.name}.")
    if large.tokenizer.fingerprint != small.tokenizer.fingerprint:
        raise UsageError(f"A router needs models with one vocabulary; those of {large.name} and {small.name} differ.")
    small.require_hidden_states()
    return small


def split(seen: Sequence[Examples], seed: int) -> tuple[Examples, Examples, Examples]:
    """Training, validation and test examples. No problem has examples in two of them.

    Raises UsageError when one of the three would have no divergence or no other position.
    """
    order = np.random.default_rng(seed).permutation(len(seen))
    held = math.ceil(HELD_OUT * len(seen))
    groups = order[2 * held :], order[:held], order[held : 2 * held]
    parts = [Examples.joined([seen[i] for i in sorted(group)]) if len(group) else None for group in groups]
    if not all(part and 0 < part.divergent.sum() < len(part) for part in parts):
        found = sum(int(part.divergent.sum()) for part in seen)
        raise UsageError(
            f"{len(seen)} answers with {found} divergences are too few to train, to choose a threshold and to test on; "
            "take more problems with -n."
        )
    training, validation, test = (part for part in parts if part)
    return training, validation, test


def threshold_for(recall: float, scored: Chances, divergent: NDArray[np.bool_]) -> float:
    """The highest threshold, rounded down, at which at least this share of the divergent positions is found."""
    falling = -np.sort(-scored[divergent])
    lowest = float(falling[math.ceil(recall * len(falling)) - 1])
    return math.floor(lowest * 10.0**DIGITS) / 10.0**DIGITS


def measured(threshold: float, scored: Chances, divergent: NDArray[np.bool_]) -> Measured:
    """What a router with this threshold does on labelled positions."""
    chosen = scored >= threshold
    return Measured(
        positions=len(scored),
        divergent=int(divergent.sum()),
        recall=round(float(chosen[divergent].mean()), DIGITS),
        large_share=round(float(chosen.mean()), DIGITS),
    )


def _trained(
    relay: Relay,
    settings: Settings,
    labelled: Sequence[Labelled],
    parts: tuple[Examples, Examples, Examples],
    out: Path,
    tick: Callable[[int], None],
) -> Trained:
    from relaygen.routing.export import embedding, save_network
    from relaygen.routing.network import fit

    small = relay.engines[SMALL]
    assert isinstance(small, OnnxEngine), "check_pair has seen to it"
    table = embedding(small.file, small.ids_name)
    training, validation, test = parts
    network = fit(training, validation, table, settings.shape, relay.options.sampling.seed, tick)
    out.mkdir(parents=True, exist_ok=True)
    save_network(network, table, out / NETWORK)
    # Measured on what was saved, which is what will run.
    session = open_network(out)
    scored = [chances(session, part.hidden.astype(np.float32), part.tokens, part.logits) for part in (validation, test)]
    threshold = threshold_for(settings.recall, scored[0], validation.divergent)
    record = RouterRecord(
        large=relay.engines[LARGE].name,
        small=small.name,
        fingerprints=Fingerprints(large=fingerprint(relay.engines[LARGE]), small=fingerprint(small)),
        threshold=threshold,
        wanted_recall=settings.recall,
        hidden_size=training.hidden.shape[1],
        top=training.logits.shape[1],
        validation=measured(threshold, scored[0], validation.divergent),
        test=measured(threshold, scored[1], test.divergent),
        training=_training(relay, settings, labelled),
    )
    write_text(out / RECORD, record.model_dump_json(indent=2) + "\n")
    return Trained(folder=out, record=record)


def _training(relay: Relay, settings: Settings, labelled: Sequence[Labelled]) -> Training:
    import torch

    options, shape = relay.options, settings.shape
    differences = [difference for trace in labelled for difference in trace.differences]
    listed = settings.task.endswith(".jsonl")
    return Training(
        relaygen=relaygen.__version__,
        torch=torch.__version__,
        task="questions" if listed else settings.task,
        n=settings.n,
        first=settings.first,
        problem_seed=None if listed else Split.ROUTING.seed,
        seed=options.sampling.seed,
        temperature=options.sampling.temperature,
        max_tokens=options.max_tokens,
        verifier=settings.verifier,
        traces=len(labelled),
        positions=sum(trace.positions for trace in labelled),
        differences=len(differences),
        divergent=sum(bool(difference.divergent) for difference in differences),
        width=shape.width,
        blocks=shape.blocks,
        learning_rate=shape.rate,
        epochs=shape.epochs,
    )
