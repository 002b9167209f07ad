"""A trained router: a small network in ONNX format, and the pair that it belongs to."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from relaygen.engines.base import Engine, fingerprint
from relaygen.engines.routed.record import NETWORK, RouterRecord, read_record
from relaygen.errors import ModelError
from relaygen.sampling import Logits

SHIPPED = "nano"
TOP = 100
"""How many of the highest logits a router reads, where the vocabulary has as many."""

Chances = NDArray[np.float32]


class Router:
    """Tells how likely it is that a token of small takes another way than large would. For any number of threads."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when `folder` holds no router that works."""
        self.record: RouterRecord = read_record(folder)
        self._session = open_network(folder)

    def __call__(self, hidden: NDArray[np.float32], tokens: NDArray[np.int64], logits: Logits) -> Chances:
        """The chance of a divergence at each of n positions, float32 [n].

        `hidden` are small's last hidden states [n, hidden size] and `logits` its logits [n, vocabulary], from which
        `tokens` [n] were drawn.
        """
        return chances(self._session, hidden, tokens, highest(logits, self.record.top))


def open_network(folder: Path) -> ort.InferenceSession:
    """The network in the folder of a router, on one thread of the CPU. Raises ModelError when it can't be loaded."""
    options = ort.SessionOptions()
    options.log_severity_level = 4  # silent: what matters comes back as an exception
    options.intra_op_num_threads = 1
    try:
        return ort.InferenceSession(str(folder / NETWORK), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # reason: ONNX Runtime's exceptions have no common base of their own
        raise ModelError(f"ONNX Runtime can't load {folder / NETWORK}: {error}.") from error


def chances(
    network: ort.InferenceSession, hidden: NDArray[np.float32], tokens: NDArray[np.int64], top: Logits
) -> Chances:
    """As `Router`, from the highest logits alone [n, top]."""
    found: Chances = network.run(None, {"hidden": hidden, "token": tokens, "logits": top})[0]
    return found


def highest(logits: Logits, count: int) -> Logits:
    """The `count` highest logits of each row in falling order, as log-probabilities among themselves.

    Logits as such say the same at any level, which a router would have to learn.
    """
    rest = logits.shape[-1] - count
    falling: Logits = -np.sort(-np.partition(logits, rest)[..., rest:])
    falling -= falling[..., :1]
    falling -= np.log(np.exp(falling).sum(-1, keepdims=True))
    return falling


def load_router(name: str, large: Engine, small: Engine) -> Router:
    """The router in a folder, or the shipped one `nano`.

    Raises ModelError when there is none, or when it was trained for another pair.
    """
    router = Router(Path(str(resources.files("relaygen") / "nano" / "router")) if name == SHIPPED else Path(name))
    record, marks = router.record, router.record.fingerprints
    if (marks.large, marks.small) != (fingerprint(large), fingerprint(small)):
        raise ModelError(
            f"The router {name} was trained for the pair {record.large} ({marks.large}) and {record.small} "
            f"({marks.small}), not for {large.name} ({fingerprint(large)}) and {small.name} ({fingerprint(small)}); "
            "train one for this pair with `relaygen train-router`."
        )
    return router
