"""Replays a policy on a recorded trace: who would have written which of its tokens.

The instructions come from the policy itself and are matched with the objects that the relay uses, so that segments
are found in calibration exactly where they are at run time, as long as small writes what large wrote.
"""

from __future__ import annotations

from dataclasses import dataclass

from relaygen.calibration.transcript import Transcript
from relaygen.errors import UsageError
from relaygen.policies import Policy, Write
from relaygen.relay.run import until_with
from relaygen.types import Ending, Role, Segment
from relaygen.until import Fired, ThinkEndCondition


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens `start` to `end` of the completion, as one Write of the policy takes them."""

    role: Role
    start: int
    end: int
    ending: Ending
    why: str
    thinking: bool


def replay(policy: Policy, transcript: Transcript) -> list[Piece]:
    """The pieces that `policy` cuts the completion into; they cover all of it, in order.

    Raises UsageError for a policy that drafts, asks or inserts: what it does depends on more than the recorded text.
    """
    steps = policy.run()
    pieces: list[Piece] = []
    at, thinking, answer = 0, transcript.expects_thinking, None
    while at < len(transcript):
        try:
            asked = steps.send(answer)
        except StopIteration:
            break
        if not isinstance(asked, Write):
            raise UsageError(f"The policy {policy.name} can't be replayed: it does more than write in turn.")
        piece = _write(asked, transcript, at, thinking)
        if piece.end > piece.start:
            pieces.append(piece)
        thinking = thinking and piece.ending is not Ending.THINK_END
        at, answer = piece.end, _segment(piece, transcript)
    steps.close()
    return pieces


def _write(asked: Write, transcript: Transcript, at: int, thinking: bool) -> Piece:
    if asked.until and asked.until.waits_for(ThinkEndCondition) and not thinking:
        return Piece(asked.role, at, at, Ending.THINK_END, "", thinking)
    limit = None if asked.max_tokens is None else at + asked.max_tokens
    until = until_with(asked.until, thinking=thinking, stop=())
    end, fired = transcript.watch(until, at, end=limit, min_tokens=asked.min_tokens)
    ending, why = _ending(fired, end == limit)
    return Piece(asked.role, at, end, ending, why, thinking)


def _ending(fired: Fired | None, at_limit: bool) -> tuple[Ending, str]:
    if fired:
        return fired.ending, fired.why
    return (Ending.TOKENS if at_limit else Ending.EOS), ""


def _segment(piece: Piece, transcript: Transcript) -> Segment:
    return Segment(
        role=piece.role,
        tokens=transcript.tokens[piece.start : piece.end],
        text=transcript.words(piece.start, piece.end),
        ending=piece.ending,
        why=piece.why,
        thinking=piece.thinking,
    )
