"""The plots of ``docs/guides/analytics.md``; each shows the result of one query."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import MO, DateFormatter, WeekdayLocator
from matplotlib.figure import Figure
from PIL import Image

GREEN, RED, GREY, BAND = "#1b7f5c", "#c0492f", "#b9c2c9", "#e3e8eb"

Plot = Callable[[Axes, pd.DataFrame], None]


def draw(plot: Plot, result: pd.DataFrame, *, title: str, file: Path) -> None:
    """Draw a result as a PNG, with its title and the digest of the result as metadata."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.margins(x=0.005)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=12)
    plot(axes, result)
    figure.savefig(file, dpi=120, metadata={"Title": title, "Result": digest(result)})


def digest(result: pd.DataFrame) -> str:
    """Return the SHA-256 of a result, written as CSV."""
    return hashlib.sha256(result.to_csv(index=False).encode()).hexdigest()


def remembered(file: Path) -> tuple[str, str]:
    """Read the title of a PNG and the digest of its result from the metadata."""
    with Image.open(file) as picture:
        return picture.info["Title"], picture.info["Result"]


def opt_outs(axes: Axes, result: pd.DataFrame) -> None:
    """Draw a bar for each day, and a line for the mean of the last seven days."""
    axes.bar(result["day"], result["people"], color=GREY)
    axes.plot(result["day"], result["mean"], color=GREEN, linewidth=2.5, label="mean of seven days")
    axes.set_xlabel("day of the opt-out")
    axes.set_ylabel("people who opted out")
    _finish(axes)


def changes(axes: Axes, result: pd.DataFrame) -> None:
    """Draw added records as bars upwards, removed ones downwards; a bar spans its days."""
    widths = pd.to_timedelta(result["days"], unit="D")
    middles = result["day"] - (widths - pd.Timedelta(days=1)) / 2
    bars = widths - pd.Timedelta(hours=5)
    axes.bar(middles, result["added"], bars, color=GREEN, label="added")
    axes.bar(middles, -result["removed"], bars, color=RED, label="removed")
    net = result["added"] - result["removed"]
    ends = middles - bars / 2, middles + bars / 2
    axes.hlines(net, *ends, color="black", linewidth=2, label="net")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_title("a wide bar: the mean of its days", loc="right", fontsize=10)
    axes.set_xlabel("day of the snapshot")
    axes.set_ylabel("records a day")
    _finish(axes)


def spikes(axes: Axes, result: pd.DataFrame) -> None:
    """Draw the days over the band of usual values, and label those above it."""
    band = result["day"], result["low"], result["high"]
    axes.fill_between(*band, step="mid", color=BAND, linewidth=0, label="usual")
    for snapshot, mark, colour in (
        ("live", "o", GREEN),
        ("backdated", "s", "black"),
        ("not landed", "D", "black"),
    ):
        days = result[result["snapshot"] == snapshot]
        axes.plot(days["day"], days["people"], mark, color=colour, markersize=5, label=snapshot)
    for spike in result[result["people"] > result["high"]].itertuples():
        axes.plot(spike.day, spike.people, "o", color=RED, markersize=8)
        text = f"{spike.people} on {spike.day:%-d %B}"
        axes.annotate(text, (spike.day, spike.people), (9, -4), textcoords="offset points")
    axes.margins(x=0.015)
    axes.set_ylim(bottom=-1)
    axes.set_xlabel("day of the opt-out")
    axes.set_ylabel("people who opted out")
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.xaxis.set_major_locator(WeekdayLocator(MO))
    axes.xaxis.set_major_formatter(DateFormatter("%a %-d %b"))
    axes.legend(frameon=False, loc="upper left")
