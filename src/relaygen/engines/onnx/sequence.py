"""A sequence: token ids and their keys and values in a cache that can be rewound to any length.

The cache is allocated once, at full length, and bound as past and as present. The attention operator writes in place
and reads no further than the mask is long, so rewinding means to remember a smaller length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from relaygen.engines.onnx.layout import HIDDEN_STATES
from relaygen.engines.onnx.model import ELEMENTS, Model
from relaygen.errors import UsageError
from relaygen.sampling import Logits

Hidden = NDArray[np.float32]

# numpy has no bfloat16; its bits are the upper half of a float32's.
BUFFERS: dict[int, type[np.generic]] = {
    ELEMENTS["tensor(float)"]: np.float32,
    ELEMENTS["tensor(float16)"]: np.float16,
    ELEMENTS["tensor(bfloat16)"]: np.uint16,
}


NO_HIDDEN = "The model {} does not give its hidden states; make it with `relaygen convert --hidden-states`."


class CachedSequence:
    """One sequence of a model. Used by one thread at a time. Allocates its cache when it is first fed."""

    def __init__(self, model: Model) -> None:
        self.tokens: list[int] = []
        """The ids whose keys and values are cached."""
        self.chunk = model.chunk
        self.forwards = 0
        """How often the model has run for this sequence."""
        self._model, self._layout, self._session = model, model.layout, model.session
        self._ids = np.zeros((1, model.chunk), np.int64)
        self._logits = np.empty((1, model.chunk, model.vocabulary), BUFFERS[model.logits_type])
        shape = (1, model.chunk, model.hidden_size)
        self._hidden = np.empty(shape, BUFFERS[model.hidden_type]) if model.hidden_size else None
        self._fresh = slice(0, 0)  # the rows that belong to the tokens of the last call
        self._rows = 0  # how many rows of logits the output is bound for; 0 before anything is bound
        self._binding = model.session.io_binding()

    def rewind(self, length: int) -> None:
        """Forgets the tokens from position `length` on."""
        del self.tokens[length:]

    def feed(self, ids: Sequence[int]) -> Logits:
        """Appends 1 to `chunk` tokens; returns their logits, float32 [len(ids), vocabulary], valid until the next call.

        When it fails, the sequence stays as it was.
        """
        # Kernels for one row round differently; the token before, fed again, makes it two.
        again = int(self._model.exact and len(ids) == 1 and len(self.tokens) > 0)
        past = len(self.tokens) - again
        count = again + len(ids)
        if count != self._rows:
            self._bind_outputs(count)
        self._ids[0, :again] = self.tokens[past:]
        self._ids[0, again:count] = ids
        # Bound anew even where the address stays the same: for CUDA, binding is what copies.
        self._binding.bind_cpu_input(self._layout.ids, self._ids[:, :count])
        self._binding.bind_cpu_input(self._layout.mask, self._model.mask[:, : past + count])
        self.forwards += 1
        self._session.run_with_iobinding(self._binding)
        self.tokens.extend(ids)
        self._fresh = slice(again, count)
        return _float32(self._logits[0, self._fresh])

    @property
    def hidden(self) -> Hidden:
        """The last layer's hidden states of the tokens that were fed last, normalised as the head reads them.

        float32 [tokens, hidden size], valid until the next call. Raises UsageError when the model does not give them.
        """
        if self._hidden is None:
            raise UsageError(NO_HIDDEN.format(self._layout.file.parent))
        return _float32(self._hidden[0, self._fresh])

    def _bind_outputs(self, rows: int) -> None:
        if self._rows == 0:
            self._bind_cache()
        shape = (1, rows, self._model.vocabulary)
        address = self._logits.ctypes.data
        self._binding.bind_output(self._layout.logits, "cpu", 0, self._model.logits_type, shape, address)
        if self._hidden is not None:
            shape, address = (1, rows, self._model.hidden_size), self._hidden.ctypes.data
            self._binding.bind_output(HIDDEN_STATES, "cpu", 0, self._model.hidden_type, shape, address)
        self._rows = rows

    def _bind_cache(self) -> None:
        model = self._model
        shape = (1, self._layout.heads, model.context, self._layout.head_size)
        for past, present in zip(self._layout.pasts, self._layout.presents, strict=True):
            # The binding keeps the value alive.
            value = ort.OrtValue.ortvalue_from_shape_and_type(shape, model.cache_type, model.device)
            self._binding.bind_ortvalue_input(past, value)
            self._binding.bind_ortvalue_output(present, value)


def _float32(rows: NDArray[np.generic]) -> NDArray[np.float32]:
    if rows.dtype == np.uint16:
        return (rows.astype(np.uint32) << 16).view(np.float32)
    return rows.astype(np.float32, copy=False)
