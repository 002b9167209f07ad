"""Draft and verify on made-up models of a small vocabulary: the output is the large model's, whatever is drafted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.doubles import Probe

from relaygen.engines.base import Params, Tally
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import Stop
from relaygen.engines.speculative.drafts import Drafts, NgramDrafts, Pace, SmallDrafts
from relaygen.engines.speculative.loop import DraftAndVerify
from relaygen.sampling import Logits, Sampler, distribution
from relaygen.types import GREEDY, Sampling, Token
from relaygen.until import Matcher

VOCABULARY = 8
PROMPT = [1, 2, 3]
EVERYTHING = Sampling(temperature=1.0, top_k=0, top_p=1.0)
FILTERED = Sampling(temperature=0.8, top_k=5, top_p=0.9, min_p=0.05)


class Table:
    """A model whose logits depend on the last two tokens, as far as its `noise` is shared with another's."""

    def __init__(self, noise: float, chunk: int = 16) -> None:
        common, own = np.random.default_rng(1), np.random.default_rng(2)
        shape = (VOCABULARY, VOCABULARY, VOCABULARY)
        self._logits = (common.normal(size=shape) * 2 + own.normal(size=shape) * noise).astype(np.float32)
        self.tokens: list[int] = []
        self.chunk = chunk
        self.widths: list[int] = []

    def rewind(self, length: int) -> None:
        del self.tokens[length:]

    def feed(self, ids: Sequence[int]) -> Logits:
        assert 1 <= len(ids) <= self.chunk
        self.widths.append(len(ids))
        self.tokens.extend(ids)
        first = len(self.tokens) - len(ids)
        return np.stack([self.after(self.tokens[: i + 1]) for i in range(first, len(self.tokens))])

    def after(self, context: Sequence[int]) -> Logits:
        logits: Logits = self._logits[context[-2] if len(context) > 1 else 0, context[-1]]
        return logits


class Wrong(Table):
    """Never chooses what the other would."""

    def after(self, context: Sequence[int]) -> Logits:
        return -super().after(context)


def drafts_of(kind: str, sampling: Sampling, room: int = 1000) -> Drafts:
    if kind == "ngram":
        return NgramDrafts()
    return SmallDrafts(sequence(Table(noise=1.0)), sampling, room, Stop())


def sequence(table: Table) -> CachedSequence:
    return cast(CachedSequence, table)


def speculate(
    sampling: Sampling,
    *,
    limit: int = 40,
    kind: str = "small",
    k: int = 4,
    adaptive: bool = False,
    large: Table | None = None,
    drafts: Drafts | None = None,
    until: Matcher | None = None,
    **params: object,
) -> tuple[list[Token], Tally]:
    tally = Tally()
    settings = Params(**{"max_tokens": limit, "sampling": sampling} | params)  # type: ignore[arg-type]
    handed: list[Token] = []
    loop = DraftAndVerify(
        PROMPT,
        settings,
        limit,
        until,
        Sampler(sampling),
        drafts or drafts_of(kind, sampling),
        Pace(k, adaptive),
        tally,
        handed.extend,
    )
    return handed + loop.run(sequence(large or Table(noise=0.0)), Stop()), tally


def alone(sampling: Sampling, limit: int = 40) -> list[Token]:
    """What the large model writes by itself."""
    table, draw, context = Table(noise=0.0), Sampler(sampling), list(PROMPT)
    tokens: list[Token] = []
    for position in range(limit):
        tokens.append(draw(table.after(context), position))
        context.append(tokens[-1].id)
    return tokens


@pytest.mark.parametrize("k", [1, 2, 4, 7])
@pytest.mark.parametrize("kind", ["small", "ngram"])
def test_greedy_gives_the_tokens_of_the_large_model(kind: str, k: int) -> None:
    tokens, tally = speculate(GREEDY, kind=kind, k=k)
    assert tokens == alone(GREEDY)
    assert 0 < tally.accepted <= tally.drafted
    assert tally.passes + tally.accepted == 40


@pytest.mark.parametrize("sampling", [EVERYTHING, FILTERED])
def test_copies_leave_a_seed_its_tokens(sampling: Sampling) -> None:
    tokens, tally = speculate(sampling, kind="ngram", limit=200)
    assert tokens == alone(sampling, 200)
    assert tally.accepted > 0


@given(seed=st.integers(0, 1000), k=st.integers(1, 9), adaptive=st.booleans(), cut=st.integers(1, 29))
@settings(max_examples=60)
def test_draft_length_and_cuts_do_not_change_what_a_seed_gives(seed: int, k: int, adaptive: bool, cut: int) -> None:
    sampling = Sampling(temperature=1.0, top_k=6, top_p=0.98, seed=seed)
    expected, _ = speculate(sampling, limit=30)
    found, _ = speculate(sampling, limit=30, k=k, adaptive=adaptive)
    assert found == expected
    start, _ = speculate(sampling, limit=cut, k=k)
    assert start == expected[:cut]


@pytest.mark.parametrize("sampling", [EVERYTHING, FILTERED], ids=["everything", "filtered"])
@pytest.mark.parametrize("k", [1, 3])
def test_the_distribution_is_the_large_models(sampling: Sampling, k: int) -> None:
    """Chi-square over all pairs of first and second token: how the second follows the first counts too."""
    n = 4000
    runs = [speculate(seeded(sampling, i), limit=2, k=k)[0] for i in range(n)]
    pairs = Counter((a.id, b.id) for a, b in runs)
    expected = exact_pairs(sampling)
    assert set(pairs) <= set(expected)
    common = {pair: p for pair, p in expected.items() if p * n >= 5}
    rest = 1 - sum(common.values())
    chi_square = sum((pairs[pair] - p * n) ** 2 / (p * n) for pair, p in common.items())
    seldom = n - sum(pairs[pair] for pair in common)
    chi_square += (seldom - rest * n) ** 2 / (rest * n) if rest > 1e-9 else 0
    freedom = len(common) if rest > 1e-9 else len(common) - 1
    assert chi_square < freedom + 3.5 * (2 * freedom) ** 0.5  # about one seed in two thousand lies above


def seeded(sampling: Sampling, seed: int) -> Sampling:
    return Sampling(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p, min_p=sampling.min_p, seed=seed
    )


def exact_pairs(sampling: Sampling) -> dict[tuple[int, int], float]:
    table = Table(noise=0.0)
    pairs: dict[tuple[int, int], float] = {}
    for first, p in zip(*map(np.ndarray.tolist, distribution(table.after(PROMPT), sampling)), strict=True):
        second = distribution(table.after([*PROMPT, first]), sampling)
        pairs |= {(first, id): p * q for id, q in zip(*map(np.ndarray.tolist, second), strict=True)}
    return pairs


def test_a_token_carries_the_large_models_log_probability() -> None:
    tokens, _ = speculate(EVERYTHING, limit=5)
    context = list(PROMPT)
    for token in tokens:
        logits = Table(noise=0.0).after(context).astype(float)
        assert token.logprob == pytest.approx(logits[token.id] - np.log(np.exp(logits).sum()), abs=1e-5)
        context.append(token.id)


def test_a_perfect_draft_is_accepted_whole() -> None:
    for sampling in (GREEDY, EVERYTHING):
        perfect = SmallDrafts(sequence(Table(noise=0.0)), sampling, 1000, Stop())
        tokens, tally = speculate(sampling, drafts=perfect, k=4)
        assert tally.accepted == tally.drafted == 32
        assert tally.passes == 8
        assert len(tokens) == 40


@pytest.mark.parametrize("sampling", [GREEDY, EVERYTHING])
def test_what_small_hardly_believes_in_is_not_verified(sampling: Sampling) -> None:
    doubtful = Table(noise=0.0)
    doubtful._logits *= 0.01
    drafts = SmallDrafts(sequence(doubtful), sampling, 1000, Stop())
    tokens, tally = speculate(sampling, drafts=drafts, adaptive=True)
    assert len(tokens) == tally.passes == 40
    assert tally.drafted == 0


@pytest.mark.parametrize("last", [1, 2, 3, 7])
def test_it_ends_with_the_token_at_which_until_fires(last: int) -> None:
    probe = Probe(last=last)
    tokens, _ = speculate(GREEDY, until=probe)
    assert tokens == probe.seen == alone(GREEDY)[:last]


@pytest.mark.parametrize("last", range(1, 12))
def test_drafts_behind_the_end_are_neither_accepted_nor_rejected(last: int) -> None:
    perfect = SmallDrafts(sequence(Table(noise=0.0)), GREEDY, 1000, Stop())
    _, tally = speculate(GREEDY, until=Probe(last=last), drafts=perfect, k=4)
    assert tally.drafted == tally.accepted == last - last // 5  # every fifth token is large's own


def test_drafts_behind_a_rejected_one_count() -> None:
    never = SmallDrafts(sequence(Wrong(noise=0.0)), GREEDY, 1000, Stop())
    _, tally = speculate(GREEDY, limit=9, drafts=never, k=4)
    assert (tally.drafted, tally.accepted, tally.passes) == (4 * 5 + 3 + 2 + 1, 0, 9)


def test_it_ends_with_an_end_of_sequence_and_drafts_nothing_behind_one() -> None:
    free = alone(GREEDY)
    eos = free[5].id
    perfect = SmallDrafts(sequence(Table(noise=0.0)), GREEDY, 1000, Stop())
    first = [token.id for token in free].index(eos)
    tokens, tally = speculate(GREEDY, eos=frozenset({eos}), drafts=perfect, k=12)
    assert tokens == free[: first + 1]
    assert tally.drafted == tally.accepted == first + 1


def test_nothing_is_drafted_beyond_the_limit_and_one_token_needs_one_pass() -> None:
    tokens, tally = speculate(GREEDY, limit=1)
    assert tokens == alone(GREEDY, 1)
    assert tally == Tally(drafted=0, accepted=0, passes=1)


@pytest.mark.parametrize("sampling", [GREEDY, EVERYTHING])
def test_a_small_model_whose_context_is_full_drafts_no_more(sampling: Sampling) -> None:
    tokens, tally = speculate(sampling, drafts=drafts_of("small", sampling, room=10))
    assert len(tokens) == 40
    assert tally.passes >= 30


def test_a_long_prompt_is_read_in_chunks_and_the_first_pass_verifies_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PROMPT", [int(i) for i in np.random.default_rng(3).integers(0, 8, 100)])
    large, perfect = Table(noise=0.0), SmallDrafts(sequence(Table(noise=0.0)), GREEDY, 1000, Stop())
    tokens, _ = speculate(GREEDY, limit=5, large=large, drafts=perfect, k=4)
    assert len(tokens) == 5
    assert large.widths[-1] == 2 + 4
    assert sum(large.widths) == 100 + 4


def test_a_stop_is_seen_before_the_next_pass() -> None:
    stop, table = Stop(), Table(noise=0.0)
    loop = DraftAndVerify(
        PROMPT, Params(max_tokens=50), 50, None, Sampler(GREEDY), NgramDrafts(), Pace(4), Tally(), lambda _: None
    )
    loop.until = Probe(then=lambda: setattr(stop, "asked", True))
    assert 1 <= len(loop.run(sequence(table), stop)) <= 5
