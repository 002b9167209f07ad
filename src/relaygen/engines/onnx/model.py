"""One decoder in ONNX Runtime: its session and what is known about it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort

from relaygen.engines import EngineSettings
from relaygen.engines.onnx.layout import AGAIN, HIDDEN_STATES, Layout, read_layout
from relaygen.errors import ModelError, UsageError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
LOGITS_BYTES = 64 << 20  # for the logits of one chunk: they come back for every position that is fed
CHUNKS = range(16, 513)  # tokens fed at once, at least and at most
SPIN_MICROSECONDS = 100  # spans the gaps between operators; longer only hurts, and much on a crowded machine
SMALL_MODEL = 8 << 20  # bytes of weights below which a second thread brings nothing (benchmarks/decode.py)

ELEMENTS = {"tensor(float)": 1, "tensor(float16)": 10, "tensor(bfloat16)": 16}  # ONNX's numbers for these types


class Model:
    """The session of one model and what sequences need to know about it.

    Raises ModelError when the folder can't be used, UsageError when a setting is out of range or asks for a provider
    that is not there.
    """

    def __init__(self, folder: Path, settings: EngineSettings, *, providers: tuple[str, ...] | None) -> None:
        _check(settings)
        self.layout = read_layout(folder)
        self.context = min(settings.context, self.layout.context)
        self.exact = settings.exact
        providers = _providers(self.layout, providers)
        self.device = "cuda" if providers[0] == CUDA else "cpu"
        self.session = _load(self.layout, providers, _options(self.layout, settings.threads))
        nodes = {node.name: node for node in (*self.session.get_inputs(), *self.session.get_outputs())}
        _check_names(self.layout, set(nodes))
        self.cache_type = _element(nodes[self.layout.pasts[0]].type)
        self.logits_type = _element(nodes[self.layout.logits].type)
        self.vocabulary = int(nodes[self.layout.logits].shape[-1])
        states = nodes.get(HIDDEN_STATES)
        self.hidden_size = int(states.shape[-1]) if states else 0  # 0: this model keeps them to itself
        self.hidden_type = _element(states.type) if states else 0
        self.chunk = min(max(LOGITS_BYTES // (4 * self.vocabulary), CHUNKS[0]), CHUNKS[-1], self.context)
        # Only its length differs between calls and sequences.
        self.mask = np.ones((1, self.context), np.int64)


def _providers(layout: Layout, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    available = ort.get_available_providers()
    if wanted is None:
        return (CUDA, CPU) if layout.cuda and CUDA in available else (CPU,)
    if not wanted or (missing := [name for name in wanted if name not in available]):
        got = ", ".join(missing) if wanted else "none"
        raise UsageError(f"This onnxruntime has the providers {', '.join(available)}; asked for: {got}.")
    return wanted


def _load(layout: Layout, providers: tuple[str, ...], options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(str(layout.file), options, providers=list(providers))
    except Exception as error:  # reason: ONNX Runtime's exceptions have no common base of their own
        raise ModelError(f"ONNX Runtime can't load {layout.file}: {error}; {AGAIN}.") from error


def _options(layout: Layout, threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # silent: what matters comes back as an exception
    # Always explicit: left to itself, ORT pins its threads to cores, where the two models of a pair would collide.
    options.intra_op_num_threads = threads or (1 if layout.bytes < SMALL_MODEL else os.cpu_count() or 1)
    # Threads that wait busily between operators are worth a quarter of a step, but by themselves they go on for tens of
    # milliseconds after it and take the cores from the pair's other model.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    return options


def _check(settings: EngineSettings) -> None:
    for name, value, least in (
        ("context", settings.context, 2),
        ("sequences", settings.sequences, 1),
        ("threads", settings.threads, 0),
    ):
        if value < least:
            raise UsageError(f"{name} must be at least {least}; got {value}.")


def _check_names(layout: Layout, names: set[str]) -> None:
    expected = {layout.ids, layout.mask, layout.logits, *layout.pasts, *layout.presents}
    if odd := expected ^ (names - {HIDDEN_STATES}):
        raise ModelError(
            f"The architecture of {layout.file} is not supported: it should have the inputs and outputs of a plain "
            f"decoder, but these are missing or additional: {', '.join(sorted(odd))}."
        )


def _element(kind: str) -> int:
    if kind not in ELEMENTS:
        raise ModelError(f"Key/value caches, logits and hidden states of the type {kind} are not supported; {AGAIN}.")
    return ELEMENTS[kind]
