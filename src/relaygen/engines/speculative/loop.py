"""The loop of speculative decoding (arXiv 2211.17192): draft, verify in one pass, keep up to the first rejection.

It runs in one worker thread. What is decided at a position depends on the context and on the seed's random numbers for
that position, never on how many tokens were drafted: so the draft length may change without changing the text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from relaygen.engines.base import Params, Tally
from relaygen.engines.onnx.sequence import CachedSequence
from relaygen.engines.onnx.work import FLUSH_SECONDS, Stop, fill
from relaygen.engines.speculative.drafts import Drafts, Pace, Proposal, drawn
from relaygen.sampling import Floats, Ids, Logits, Sampler, distribution, uniform
from relaygen.types import Token
from relaygen.until import Matcher

ACCEPT, REPLACE = 2, 3  # streams of random numbers: whether a draft is accepted, and what takes its place


@dataclass(slots=True)
class DraftAndVerify:
    """Continues `prompt` by at most `limit` tokens, which is at least 1."""

    prompt: list[int]
    params: Params
    limit: int
    until: Matcher | None
    draw: Sampler
    drafts: Drafts
    pace: Pace
    tally: Tally
    hand_over: Callable[[list[Token]], object]
    """Receives the batches, in the worker's thread."""

    def run(self, sequence: CachedSequence, stop: Stop) -> list[Token]:
        """Generates to the end; `sequence` is a prefix of `prompt`. Returns the tokens that were not handed over."""
        self._prepare(sequence, stop)
        flushed, batch = time.perf_counter(), list[Token]()
        context = list(self.prompt)
        while not stop.asked:
            for token in self._round(sequence, context):
                batch.append(token)
                if self._ends_with(token) or len(context) == len(self.prompt) + self.limit:
                    return batch
            if (now := time.perf_counter()) - flushed >= FLUSH_SECONDS:
                self.hand_over(batch)
                batch, flushed = [], now
        return batch

    def _prepare(self, sequence: CachedSequence, stop: Stop) -> None:
        """Brings `sequence` so near to the end of the prompt that the first pass can do the rest, drafts included."""
        known = max(len(self.prompt) - 2, 0)  # never a single token: see relaygen.engines.onnx.work.feed
        sequence.rewind(known)
        if len(self.prompt) - len(sequence.tokens) + self.pace.most > sequence.chunk:
            fill(sequence, self.prompt[:known], stop)

    def _round(self, sequence: CachedSequence, context: list[int]) -> Iterator[Token]:
        """One pass: yields the tokens that it decides, one or more. They are in `context` by then."""
        start = len(context)
        position = self.params.offset + start - len(self.prompt)
        drafted, spare = self._draft(context, position, sequence.chunk - (start - len(sequence.tokens)))
        rows = sequence.feed(context[len(sequence.tokens) :])[-len(drafted) - 1 :]
        del context[start:]
        self.tally.passes += 1
        for i, proposal in enumerate(drafted):
            token = self._decide(rows[i], proposal, position + i)
            accepted = token.id == proposal.id
            # Drafts behind a rejected one were made in vain; those behind the end were neither right nor wrong.
            self.tally.drafted += 1 if accepted else len(drafted) - i
            self.tally.accepted += accepted
            self.pace.see(accepted)
            context.append(token.id)
            yield token
            if not accepted:
                sequence.rewind(len(context) - 1)
                self.drafts.keep(len(context) - 1)
                return
        last = position + len(drafted)
        # A draft that takes no pass to verify; only where draws at this position go by a draft.
        if self.drafts.random and spare is None:
            spare = self.drafts.next(context, last)
        token = self._decide(rows[-1], spare, last)
        context.append(token.id)
        self.drafts.keep(len(context) - 1)
        yield token

    def _draft(self, context: list[int], position: int, room: int) -> tuple[list[Proposal], Proposal | None]:
        """Drafts and puts the drafts behind `context`; no more than may be needed or fit into one pass.

        Comes back with one more, if it was made and is not worth a place in the pass.
        """
        left = self.limit - (len(context) - len(self.prompt))
        drafted: list[Proposal] = []
        reach = 1.0
        while len(drafted) < min(self.pace.count, left - 1, room):
            proposal = self.drafts.next(context, position + len(drafted))
            if proposal is None:
                break
            reach *= proposal.chance
            if not self.pace.worth(reach):
                return drafted, proposal
            drafted.append(proposal)
            context.append(proposal.id)
            if proposal.id in self.params.eos:
                break
        return drafted, None

    def _decide(self, logits: Logits, proposal: Proposal | None, position: int) -> Token:
        """The large model's token at `position`, from its own distribution whatever is proposed.

        A proposal q that was drawn at random is accepted with the probability min(1, p/q); its replacement is drawn
        from what p has over q. Without such a proposal large draws for itself.
        """
        if proposal is None or not self.drafts.random:
            return self.draw(logits, position)
        seed = self.params.sampling.seed
        ids, p = distribution(logits, self.params.sampling)
        q = _aligned(proposal, ids)
        at = np.flatnonzero(ids == proposal.id)
        if len(at) and uniform(seed, position, ACCEPT) * q[at[0]] < p[at[0]]:
            return self.draw.tell(logits, proposal.id)
        surplus = np.maximum(p - q, 0)
        return self.draw.tell(logits, int(ids[drawn(surplus, uniform(seed, position, REPLACE))]))

    def _ends_with(self, token: Token) -> bool:
        fired = self.until is not None and self.until.feed(token)
        return fired or token.id in self.params.eos


def _aligned(proposal: Proposal, ids: Ids) -> Floats:
    """The probabilities that the proposal's distribution has for `ids`."""
    known = dict(zip(map(int, proposal.ids), map(float, proposal.probabilities), strict=True))
    return np.array([known.get(id, 0.0) for id in ids.tolist()])
