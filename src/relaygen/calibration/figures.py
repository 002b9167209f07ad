"""The charts of a calibration: margins by cue, and the frontier between large share and disagreement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from relaygen.calibration.run import Calibration
from relaygen.pages import LARGE_COLOUR, SMALL_COLOUR, figure
from relaygen.profile import CueStatistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OTHER = "#8a8f98"
MOST_CUES = 40
ROW = 0.21  # inches for one cue


def margins(found: Calibration) -> Figure:
    """The difference of each cue's mean margin from everything else, with its interval; chosen cues in colour."""
    shown = _shown(found)
    chart = figure(6.4, 1.1 + ROW * len(shown))
    axes = chart.subplots()
    for row, entry in enumerate(reversed(shown)):
        colour = SMALL_COLOUR if entry.cue in found.profile.cues else OTHER
        if entry.low is not None and entry.high is not None:
            axes.plot([entry.low, entry.high], [row, row], color=colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot(entry.difference, row, "o", color=colour, markersize=4.5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [_label(entry.cue) for entry in reversed(shown)])
    axes.set_ylim(-0.8, len(shown) - 0.2)
    axes.set_xlabel("mean margin in the cue's segments minus elsewhere (95 % interval)")
    return chart


def frontier(found: Calibration) -> Figure:
    """Expected disagreements per trace over large share, cue by cue, and where the chosen set lies."""
    chart = figure(6.4, 3.6)
    axes = chart.subplots()
    points = [step.effect for step in found.choice.steps]
    axes.plot(
        [e.large_share for e in points],
        [e.disagreements / e.traces for e in points],
        "-o",
        color=LARGE_COLOUR,
        markersize=3,
        linewidth=1.2,
        label="adding cues, cheapest first",
    )
    chosen = found.choice.effect
    axes.plot(
        chosen.large_share, chosen.disagreements / chosen.traces, "D", color=SMALL_COLOUR, label="the chosen cues"
    )
    axes.invert_xaxis()
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    axes.set_xlabel("large share, predicted")
    axes.set_ylabel("disagreements per trace")
    axes.legend(loc="upper left")
    return chart


def charts(found: Calibration) -> dict[str, Figure]:
    """Every chart by the name of its file."""
    named = {"margins": margins(found)}
    return named | {"frontier": frontier(found)} if found.choice.steps else named


def save(chart: Figure, folder: Path, name: str) -> None:
    """Writes SVG and PNG, on white. Raises OSError."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "relaygen", "svg.fonttype": "none"}):
        chart.savefig(folder / f"{name}.svg", metadata={"Date": None})
        chart.savefig(folder / f"{name}.png", dpi=160)


def _shown(found: Calibration) -> list[CueStatistics]:
    """The chosen cues and the most frequent others, by difference."""
    entries = found.choice.statistics
    ranked = sorted(entries, key=lambda e: (e.cue not in found.profile.cues, -e.occurrences, e.cue))
    return sorted(ranked[:MOST_CUES], key=lambda e: -e.difference)


def _label(cue: str) -> str:
    """A cue as an axis label; `$` would begin a formula."""
    return cue.strip().replace("$", r"\$")
