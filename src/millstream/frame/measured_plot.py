"""Plots of latency over rate: the one door to matplotlib.

in      lines of points (events a second, ms), a title, a place without ending
out     ``<place>.png`` and ``<place>.svg``, both axes logarithmic
bad     MissingExtra where matplotlib is not installed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream.errors import MissingExtra

COLOURS = ("#1b9e77", "#7570b3", "#d95f02", "#e7298a")
MS_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name and its points; ``faint`` ones are dashed and grey."""

    name: str
    points: tuple[tuple[float, float], ...]
    faint: bool = False


def plotter() -> Any:
    """Return matplotlib's figure class; raises MissingExtra."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtra("matplotlib", "bench", where="a plot") from None
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "millstream"  # the same plot has the same text
    from matplotlib import pyplot as plt

    return plt


def plot(panels: Sequence[tuple[str, Sequence[Line]]], title: str, place: Path) -> list[Path]:
    """Write a plot with one panel per group of lines, side by side; return the files."""
    pyplot = plotter()
    width = max(6.4, 4.6 * len(panels))
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(width, 4.4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (name, lines) in zip(axes[0], panels, strict=True):
        _panel(axis, name, lines)
    axes[0][0].set_ylabel("latency")
    figure.suptitle(title, fontsize=11)
    place.parent.mkdir(parents=True, exist_ok=True)
    files = [place.with_name(place.name + ending) for ending in (".png", ".svg")]
    figure.savefig(files[0], dpi=150)
    figure.savefig(files[1], metadata={"Date": None})
    pyplot.close(figure)
    return files


def _panel(axis: Any, name: str, lines: Sequence[Line]) -> None:
    colours = iter(COLOURS * 3)
    for line in lines:
        rates = [rate for rate, _ in line.points]
        values = [max(ms, MS_LEAST) for _, ms in line.points]
        how: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.6, "label": line.name}
        if line.faint:
            how |= {"color": "#8a8a8a", "linestyle": "--", "marker": ".", "linewidth": 1.1}
        else:
            how["color"] = next(colours)
        axis.plot(rates, values, **how)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("events a second")
    axis.xaxis.set_major_formatter(lambda value, _: _short(value))
    axis.yaxis.set_major_formatter(lambda value, _: _ms(value))
    axis.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if name:
        axis.set_title(name, fontsize=10)
    axis.legend(fontsize=8, frameon=False)


def _short(value: float) -> str:
    for size, sign in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"


def _ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
