"""Reads what the model builder wrote next to a model: the names, shapes and limits of the decoder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaygen.errors import ModelError
from relaygen.files import read_json

CONFIG = "genai_config.json"
HIDDEN_STATES = "hidden_states"  # how the model builder calls the output, if a model has it
SAMPLES, SAMPLE_BYTES = 256, 1 << 16
AGAIN = "convert the model (again) with `relaygen convert`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One decoder: its file, the names of its inputs and outputs, and the shape of its key/value cache."""

    file: Path
    context: int
    """The most tokens that the model was made for."""
    heads: int
    head_size: int
    ids: str
    mask: str
    logits: str
    pasts: tuple[str, ...]
    """Keys and values of each layer that go in; `presents` are those that come out, in the same order."""
    presents: tuple[str, ...]
    cuda: bool
    """Whether it was built for CUDA."""

    @property
    def bytes(self) -> int:
        """Size of the weights on disk."""
        return sum(part.stat().st_size for part in self._parts())

    def fingerprint(self) -> str:
        """16 hex digits that tell these weights from others: sizes and samples, as whole files may be tens of GB."""
        digest = hashlib.sha256()
        for part in self._parts():
            size = part.stat().st_size
            digest.update(f"{part.name} {size} ".encode())
            with part.open("rb") as file:
                for start in range(0, size, max(size // SAMPLES, SAMPLE_BYTES)):
                    file.seek(start)
                    digest.update(file.read(SAMPLE_BYTES))
        return digest.hexdigest()[:16]

    def _parts(self) -> list[Path]:
        """The graph and its external data."""
        return sorted(self.file.parent.glob(f"{self.file.name}*"))


def read_layout(folder: Path) -> Layout:
    """The layout of the model in `folder`. Raises ModelError when there is none or it is of an unsupported kind."""
    if not folder.is_dir():
        raise ModelError(f"The model folder {folder} does not exist; give the folder that `relaygen convert` wrote.")
    config = read_json(folder / CONFIG)
    if not config:
        raise ModelError(f"{folder} has no {CONFIG}, so it is not a model in ONNX format; {AGAIN}.")
    try:
        layout = _layout(folder, config)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG} lacks what a decoder needs ({error!r}); {AGAIN}.") from error
    if not layout.file.is_file():
        raise ModelError(f"{folder} has no {layout.file.name}; {AGAIN}.")
    return layout


def _layout(folder: Path, config: dict[str, Any]) -> Layout:
    decoder = config["model"]["decoder"]
    if not config["search"]["past_present_share_buffer"] or "sliding_window" in decoder:
        raise ModelError(
            f"The model in {folder} keeps its key/value cache in a way that can't be rewound; {AGAIN}, "
            "and if that does not help, its architecture is not supported."
        )
    inputs, outputs, layers = decoder["inputs"], decoder["outputs"], int(decoder["num_hidden_layers"])
    return Layout(
        file=folder / str(decoder["filename"]),
        context=int(config["model"]["context_length"]),
        heads=int(decoder["num_key_value_heads"]),
        head_size=int(decoder["head_size"]),
        ids=inputs["input_ids"],
        mask=inputs["attention_mask"],
        logits=outputs["logits"],
        pasts=_names(inputs["past_key_names"], inputs["past_value_names"], layers),
        presents=_names(outputs["present_key_names"], outputs["present_value_names"], layers),
        cuda=any("cuda" in options for options in decoder["session_options"]["provider_options"]),
    )


def _names(keys: str, values: str, layers: int) -> tuple[str, ...]:
    return tuple(pattern % layer for layer in range(layers) for pattern in (keys, values))
