"""The charts of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from relaygen.evals.metrics import Accuracy, Summary
from relaygen.pages import colours, figure, svg
from relaygen.pages.charts import OTHER_COLOUR, PALETTE
from relaygen.stats import Interval
from relaygen.types import LARGE, SMALL, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vPX*"


class Chart(NamedTuple):
    """A drawing and what it shows."""

    drawing: Markup
    caption: str


def accuracy_against_time(summaries: Sequence[Summary]) -> Chart:
    """Up and to the left is better."""
    points = [
        (s.policy, s.timing.mean, s.timing.mean_interval, s.accuracy) for s in summaries if s.timing and s.accuracy
    ]
    drawing = _scatter(points, "seconds per problem (mean)", 1.0)
    return Chart(drawing, "Accuracy against time, with 95 % intervals.")


def accuracy_against_share(summaries: Sequence[Summary]) -> Chart:
    """A relay should lie above its random control at the same share."""
    points = [
        (s.policy, s.work.large_share, s.work.large_share_interval, s.accuracy)
        for s in summaries
        if s.work and s.accuracy
    ]
    drawing = _scatter(points, "large share of the tokens (%)", 100.0)
    return Chart(drawing, "Accuracy against large share, with 95 % intervals.")


def time_split(summaries: Sequence[Summary]) -> Chart:
    """Where the seconds go."""
    shown = [s for s in summaries if s.timing][::-1]
    sheet = figure(height=1.1 + 0.38 * len(shown))
    axes = sheet.subplots()
    left = [0.0] * len(shown)
    parts = (("large", colours[LARGE]), ("small", colours[SMALL]), ("relay", OTHER_COLOUR))
    for number, (label, colour) in enumerate(parts):
        widths = [s.timing.mean * s.timing.split[number] for s in shown if s.timing]
        axes.barh(range(len(shown)), widths, left=left, color=colour, label=label, height=0.62)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(shown)), [s.policy for s in shown])
    axes.set_xlabel("seconds per problem (mean)")
    _legend(axes, 3)
    caption = "Where the time goes: in the large model, in the small model, in the relay between them."
    return Chart(svg(sheet, "Time split by model"), caption)


def margins(trace: Trace, title: str) -> Chart | None:
    """The margin of every token of a trace in the colour of who wrote it; None when none were recorded."""
    sheet = figure(width=11.0, height=2.5)
    axes = sheet.subplots()
    start = drawn = 0
    for segment in trace.segments:
        if len(segment.margins) == len(segment.tokens):
            drawn += len(segment.tokens)
            positions = range(start, start + len(segment.tokens))
            axes.vlines(positions, 0, segment.margins, color=colours[segment.role], linewidth=1.6)
        start += len(segment.tokens)
        axes.axvline(start - 0.5, color=OTHER_COLOUR, linewidth=0.6, linestyle=":")
    if not drawn:
        return None
    axes.set_xlim(-1, start)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("token of the completion")
    axes.set_ylabel("margin")
    caption = f"Margins along one trace ({title}): p(top-1) − p(top-2) of each token; dotted lines end segments."
    return Chart(svg(sheet, "Margins along a trace"), caption)


def colour_of(policy: str, others: Sequence[str]) -> str:
    """The colour of a policy among the policies of a run: large and small have their own."""
    if policy in ("large", "small"):
        return colours[LARGE if policy == "large" else SMALL]
    rest = [name for name in others if name not in ("large", "small")]
    return PALETTE[2 + rest.index(policy) % (len(PALETTE) - 2)]


def _scatter(points: Sequence[tuple[str, float, Interval, Accuracy]], label: str, scale: float) -> Markup:
    sheet = figure(height=3.7)
    axes = sheet.subplots()
    names = [policy for policy, *_ in points]
    for number, (policy, x, interval, accuracy) in enumerate(points):
        axes.errorbar(
            [scale * x],
            [100 * accuracy.value],
            xerr=_bars(x, interval, scale),
            yerr=_bars(accuracy.value, accuracy.interval, 100),
            fmt=MARKERS[number % len(MARKERS)],
            color=colour_of(policy, names),
            capsize=3,
            markersize=7,
            label=policy,
        )
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy (%)")
    axes.grid(alpha=0.25)
    _legend(axes, 2)
    return svg(sheet, f"Accuracy against {label}")


def _bars(value: float, interval: Interval, scale: float) -> list[list[float]]:
    return [[scale * max(0.0, value - interval.low)], [scale * max(0.0, interval.high - value)]]


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2, handletextpad=0.5)
