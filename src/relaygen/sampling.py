"""Choosing the next token from logits: done once, for every engine that sees logits.

The random numbers are counter based: the one at a position is a hash of seed and position. So what is drawn does not
depend on how a generation is cut into segments, on batching, or on what was drawn before.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaygen.errors import EngineError, UsageError
from relaygen.types import Candidate, Sampling, Scored, Token

Logits = NDArray[np.float32]
Ids = NDArray[np.intp]
Floats = NDArray[np.floating[Any]]

_MASK = (1 << 64) - 1
_WEYL = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: consecutive counters land far apart
_GREEDY_BELOW = 1e-5  # a temperature that small overflows, and draws the most probable token anyway
_FIRST_SHORTLIST = 128  # enough for the nucleus of nearly every position; grown when it is not


def uniform(seed: int, position: int, stream: int = 0) -> float:
    """A number in [0, 1) that depends on its arguments alone.

    `stream` separates the draws that one position may need, for example acceptance and resampling.
    """
    return _fraction(_key(seed, stream), position)


def distribution(logits: Logits, sampling: Sampling) -> tuple[Ids, Floats]:
    """The tokens that may be drawn, and their probabilities (they sum to 1).

    Temperature comes first, then `top_k`, `top_p` and `min_p`; each sees what the one before left, renormalised.
    Ties go to the lower id. The most probable token comes first unless nothing is cut off: then ids are in order.
    `logits` has the shape [vocabulary]. At temperature 0 only the most probable token is left.
    Raises EngineError when a logit is NaN or +inf.
    """
    best, peak = _peak(logits)
    if _is_greedy(sampling):
        return np.array([best]), np.ones(1)
    ids, weights = _survivors(logits, peak, sampling)
    return ids, weights / weights.sum(dtype=np.float64)


def read(logits: Logits, id: int) -> Scored:
    """The log-probability of the token `id` and the top-2, given the logits [vocabulary] of its position.

    Raises EngineError when a logit is NaN or +inf.
    """
    best, peak = _peak(logits)
    total = _log_normaliser(logits, peak)
    return Scored(id, float(logits[id]) - total, _top_two(logits, best, total))


class Sampler:
    """Draws tokens for one generation. Raises UsageError when `sampling` is out of range."""

    def __init__(self, sampling: Sampling, *, top: bool = False, candidates: int = 2) -> None:
        """`top` asks for the most probable tokens of each position, `candidates` of them, at least two."""
        check(sampling)
        self._sampling = sampling
        self._greedy = _is_greedy(sampling)
        self._top = top
        self._candidates = candidates
        self._key = _key(sampling.seed, 0)

    def __call__(self, logits: Logits, position: int) -> Token:
        """The token at `position` (counted from the start of the completion), given float32 logits [vocabulary].

        Its log-probability is the model's own: temperature and filters do not change it. Raises EngineError when a
        logit is NaN or +inf.
        """
        best, peak = _peak(logits)
        total = _log_normaliser(logits, peak)
        chosen = best if self._greedy else self._draw(logits, peak, position)
        return Token(chosen, float(logits[chosen]) - total, self._most_probable(logits, best, total))

    def tell(self, logits: Logits, id: int) -> Token:
        """The token `id`, which something else has chosen, as if it had been drawn from `logits`."""
        best, peak = _peak(logits)
        total = _log_normaliser(logits, peak)
        return Token(id, float(logits[id]) - total, self._most_probable(logits, best, total))

    def _most_probable(self, logits: Logits, best: int, total: float) -> tuple[Candidate, ...]:
        if not self._top:
            return ()
        if self._candidates <= 2:
            return _top_two(logits, best, total)
        ids, _ = _shortlist(logits, min(self._candidates, len(logits)), float(logits[best]), 1.0)
        return tuple(Candidate(int(id), float(logits[id]) - total) for id in ids)

    def _draw(self, logits: Logits, peak: float, position: int) -> int:
        ids, weights = _survivors(logits, peak, self._sampling)
        cumulative = weights.cumsum(dtype=np.float64)
        target = _fraction(self._key, position) * float(cumulative[-1])
        # Rounding may put the target on the total itself, which is past the last token.
        index = min(int(cumulative.searchsorted(target, side="right")), len(ids) - 1)
        return int(ids[index])


def check(sampling: Sampling) -> None:
    """Raises UsageError when a setting is out of range."""
    ranges = (
        ("temperature", sampling.temperature, "at least 0", 0 <= sampling.temperature < math.inf),
        ("top_k", sampling.top_k, "at least 0 (0 switches it off)", sampling.top_k >= 0),
        ("top_p", sampling.top_p, "above 0 and at most 1", 0 < sampling.top_p <= 1),
        ("min_p", sampling.min_p, "at least 0 and at most 1", 0 <= sampling.min_p <= 1),
    )
    for name, value, allowed, fine in ranges:
        if not fine:
            raise UsageError(f"{name} must be {allowed}; got {value}.")


def _survivors(logits: Logits, peak: float, sampling: Sampling) -> tuple[Ids, Floats]:
    """Tokens that pass the filters, with weights proportional to their probabilities; the most probable weighs 1."""
    vocabulary = len(logits)
    limit = min(sampling.top_k or vocabulary, vocabulary)
    if limit == vocabulary and sampling.top_p >= 1 and sampling.min_p == 0:
        return np.arange(vocabulary), _weights(logits, peak, sampling.temperature)
    if limit < vocabulary:
        ids, weights = _shortlist(logits, limit, peak, sampling.temperature)
        mass = weights.sum(dtype=np.float64)
    else:
        ids, weights, mass = _nucleus(logits, peak, sampling)
    keep = len(ids)
    if sampling.top_p < 1:
        keep = min(keep, int(weights.cumsum(dtype=np.float64).searchsorted(sampling.top_p * mass)) + 1)
    if sampling.min_p > 0:
        keep = min(keep, int(np.count_nonzero(weights >= sampling.min_p)))
    return ids[:keep], weights[:keep]


def _nucleus(logits: Logits, peak: float, sampling: Sampling) -> tuple[Ids, Floats, np.float64]:
    """The most probable tokens, enough of them for `top_p` and `min_p`, and the weight of the whole vocabulary."""
    mass: np.float64 = _weights(logits, peak, sampling.temperature).sum(dtype=np.float64)
    count = _FIRST_SHORTLIST
    while True:
        ids, weights = _shortlist(logits, min(count, len(logits)), peak, sampling.temperature)
        enough = weights.sum(dtype=np.float64) >= sampling.top_p * mass or weights[-1] < sampling.min_p
        if enough or len(ids) == len(logits):
            return ids, weights, mass
        count *= 8


def _shortlist(logits: Logits, count: int, peak: float, temperature: float) -> tuple[Ids, Floats]:
    """The `count` most probable tokens, most probable first, ties to the lower id, with their weights."""
    threshold = np.partition(logits, len(logits) - count)[len(logits) - count]
    ids = np.flatnonzero(logits >= threshold)
    values = logits[ids]
    order = (-values).argsort(kind="stable")[:count]
    return ids[order], _weights(values[order], peak, temperature)


def _weights(logits: Logits, peak: float, temperature: float) -> Floats:
    weights: Floats = np.exp((logits - peak) / temperature)
    return weights


def _peak(logits: Logits) -> tuple[int, float]:
    """The id of the largest logit and the logit. NaN counts as the largest, so this one check finds every bad logit."""
    best = int(logits.argmax())
    peak = float(logits[best])
    if not math.isfinite(peak):
        raise EngineError("The model returned logits that are not finite: its weights or its precision are broken.")
    return best, peak


def _log_normaliser(logits: Logits, peak: float) -> float:
    """log(sum(exp(logits))); the peak comes off first so that nothing overflows."""
    return peak + math.log(np.add.reduce(np.exp(logits - peak)))


def _is_greedy(sampling: Sampling) -> bool:
    return sampling.temperature < _GREEDY_BELOW


def _top_two(logits: Logits, best: int, total: float) -> tuple[Candidate, ...]:
    second = _runner_up(logits, best)
    return Candidate(best, float(logits[best]) - total), Candidate(second, float(logits[second]) - total)


def _runner_up(logits: Logits, best: int) -> int:
    """The id of the second largest logit."""
    before, after = logits[:best], logits[best + 1 :]
    if not len(after):
        return int(before.argmax())
    right = best + 1 + int(after.argmax())
    if not len(before):
        return right
    left = int(before.argmax())
    return left if logits[left] >= logits[right] else right


def _key(seed: int, stream: int) -> int:
    return _mix(_mix(seed & _MASK) + stream * _WEYL & _MASK)


def _fraction(key: int, position: int) -> float:
    return (_mix(key + (position + 1) * _WEYL & _MASK) >> 11) * 2.0**-53


def _mix(x: int) -> int:
    """A bijection of 64-bit numbers in which every input bit flips about half of the output bits."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31
