"""Summaries as tables: for the terminal, as Markdown, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from relaygen.evals.metrics import Summary
from relaygen.evals.paired import Ratio
from relaygen.stats import Interval

NOTHING = "–"


class Column(NamedTuple):
    """A heading and how to fill it; `about` explains it under the table."""

    heading: str
    cell: Callable[[Summary], str]
    about: str = ""


def percent(value: float) -> str:
    """0.6234 as 62.3 %."""
    return f"{100 * value:.1f} %"


def span(interval: Interval, scale: float = 100, digits: int = 1, *, signed: bool = False) -> str:
    """An interval as `58.1 to 66.4`."""
    sign = "+" if signed else ""
    return f"{scale * interval.low:{sign}.{digits}f} to {scale * interval.high:{sign}.{digits}f}"


def ratio(value: Ratio | None, scale: float = 1, digits: int = 2, unit: str = "×") -> str:
    """A ratio with its interval as `1.31× (1.22 to 1.40)`."""
    if value is None:
        return NOTHING
    return f"{scale * value.value:.{digits}f}{unit} ({span(value.interval, scale, digits)})"


def p_value(p: float) -> str:
    """Three digits, but never zero."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _accuracy(s: Summary) -> str:
    return f"{percent(s.accuracy.value)} ({span(s.accuracy.interval)})" if s.accuracy else NOTHING


def _versus(s: Summary) -> str:
    if not s.versus_large:
        return NOTHING
    return f"{100 * s.versus_large.difference:+.1f} ({span(s.versus_large.interval, signed=True)})"


def _p(s: Summary) -> str:
    return p_value(s.versus_large.p) if s.versus_large else NOTHING


def _seconds(s: Summary) -> str:
    return f"{_time(s.timing.p50)} / {_time(s.timing.p95)}" if s.timing else NOTHING


def _time(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 1 else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def _first_token(s: Summary) -> str:
    return _time(s.timing.first_token_p50) if s.timing and s.timing.first_token_p50 is not None else NOTHING


def _share(s: Summary) -> str:
    return f"{percent(s.work.large_share)} ({span(s.work.large_share_interval)})" if s.work else NOTHING


def _optional(value: float | None, show: Callable[[float], str]) -> str:
    return NOTHING if value is None else show(value)


def _work(name: str) -> Callable[[Summary], str]:
    return lambda s: f"{getattr(s.work, name):.1f}" if s.work else NOTHING


POLICY = Column("policy", lambda s: s.policy)
QUALITY = (
    POLICY,
    Column(
        "accuracy",
        _accuracy,
        "share of right answers among the scored ones, 95 % Wilson; with several epochs bootstrap over problems",
    ),
    Column("Δ large", _versus, "difference to large on the same problems, in points, 95 % paired bootstrap"),
    Column("p", _p, "McNemar's exact test of that difference"),
    Column("gap", lambda s: ratio(s.gap_recovered, 100, 0, " %"), "performance gap between small and large recovered"),
    Column("errors", lambda s: str(s.errors), "neither right nor wrong, not in the accuracy"),
    Column("cut off", lambda s: str(s.cut_off), "ended by the token budget or for going round in circles; scored"),
)
COST = (
    POLICY,
    Column("s/problem", _seconds, "seconds per problem, median / 95th percentile"),
    Column("speed-up", lambda s: ratio(s.speed_up), "large's time over this policy's on the same problems, 95 %"),
    Column(
        "of ceiling",
        lambda s: _optional(s.ceiling_share, lambda x: f"{100 * x:.0f} %"),
        "that speed-up over the one of a relay without overhead, 1 / (share + (1 − share) · t), where t is small's "
        "time per token over large's in this run",
    ),
    Column("large share", _share, "tokens written by large / all, 95 % bootstrap over problems"),
    Column("tokens", _work("tokens"), "completion tokens per problem"),
    Column("switches", _work("switches"), "hand-overs per problem"),
)
ANSWERS = (
    POLICY,
    Column("problems", lambda s: str(s.problems)),
    Column("answers", lambda s: str(s.generations), "one for each problem and epoch"),
    Column("pass@1", lambda s: percent(s.accuracy.pass_1) if s.accuracy else NOTHING, "mean over problems"),
    Column(
        "Wilson", lambda s: span(s.accuracy.wilson) if s.accuracy else NOTHING, "95 %, answers taken as independent"
    ),
    Column("bootstrap", lambda s: span(s.accuracy.clustered) if s.accuracy else NOTHING, "95 %, over whole problems"),
)
PACE = (
    POLICY,
    Column("first token", _first_token, "median seconds to the first token"),
    Column("tokens/s", lambda s: f"{s.timing.tokens_per_second:.0f}" if s.timing else NOTHING),
    Column(
        "per token",
        lambda s: _optional(s.per_token, lambda x: f"{x:.2f}×"),
        "speed-up per token, so that longer or shorter answers do not count",
    ),
    Column("ceiling", lambda s: _optional(s.ceiling, lambda x: f"{x:.2f}×"), "speed-up of a relay without overhead"),
    Column("segments", _work("segments"), "per problem"),
    Column("over-run", _work("overrun"), "tokens generated past the end of a segment, per problem"),
    Column("wasted", _work("wasted"), "these, and drafts and judgements that were dropped"),
    Column(
        "accepted",
        lambda s: _optional(s.work.accepted if s.work else None, percent),
        "drafted tokens that speculative decoding took",
    ),
    Column(
        "time split",
        lambda s: " / ".join(f"{100 * x:.0f}" for x in s.timing.split) if s.timing else NOTHING,
        "per cent of the time in large / small / the relay",
    ),
)
TABLES = {"Quality": QUALITY, "Cost": COST, "Answers": ANSWERS, "Pace": PACE}


def as_markdown(summaries: Sequence[Summary], columns: Sequence[Column]) -> str:
    """A Markdown table."""
    heads = [column.heading for column in columns]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    lines += [[column.cell(s).replace("|", "\\|") for column in columns] for s in summaries]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def as_csv(summaries: Sequence[Summary]) -> str:
    """All numbers, unrounded, one line per policy; what can't be told stays empty."""
    sheet = io.StringIO()
    flat = [flat_numbers(summary) for summary in summaries]
    writer = csv.DictWriter(sheet, list(dict.fromkeys(key for line in flat for key in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return sheet.getvalue()


def flat_numbers(s: Summary) -> dict[str, Any]:
    """A summary as one flat mapping; parts that are missing are left out."""
    flat: dict[str, Any] = {"policy": s.policy, "problems": s.problems, "generations": s.generations}
    flat |= {"errors": s.errors, "cut_off": s.cut_off, "degraded": s.degraded}
    if a := s.accuracy:
        flat |= {"correct": a.correct, "scored": a.scored, "accuracy": a.value, "pass_1": a.pass_1}
        flat |= _bounds("accuracy_wilson", a.wilson) | _bounds("accuracy_bootstrap", a.clustered)
    if v := s.versus_large:
        flat |= {"versus_large": v.difference, **_bounds("versus_large", v.interval), "versus_large_p": v.p}
        flat |= {"only_large_right": v.only_first, "only_policy_right": v.only_second}
    for name, found in (("speed_up", s.speed_up), ("gap_recovered", s.gap_recovered)):
        flat |= {name: found.value, **_bounds(name, found.interval)} if found else {}
    flat |= {"per_token_speed_up": s.per_token, "ceiling": s.ceiling, "ceiling_share": s.ceiling_share}
    if t := s.timing:
        flat |= {
            "seconds_mean": t.mean,
            **_bounds("seconds_mean", t.mean_interval),
            "seconds_p50": t.p50,
            "seconds_p95": t.p95,
        }
        flat |= {"first_token_p50": t.first_token_p50, "first_token_p95": t.first_token_p95}
        flat |= {"tokens_per_second": t.tokens_per_second}
        flat |= dict(zip(("time_large", "time_small", "time_relay"), t.split, strict=True))
    if w := s.work:
        flat |= {"tokens": w.tokens, "prompt_tokens": w.prompt_tokens, "large_share": w.large_share}
        flat |= _bounds("large_share", w.large_share_interval)
        flat |= {
            "segments": w.segments,
            "switches": w.switches,
            "overrun": w.overrun,
            "wasted": w.wasted,
            "accepted": w.accepted,
        }
    return flat


def _bounds(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}
