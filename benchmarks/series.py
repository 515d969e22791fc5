"""How cost grows: what was measured, as a table and a plot for each thing that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.markdown import listed, origin, table
from benchmarks.results import Measurement, Spread, spread
from benchmarks.workloads import TITLES

WORKLOADS = ("get", "list")

SERIES: dict[str, tuple[int, ...]] = {
    "connections": (1, 4, 16, 64, 256, 1000),
    "workers": (1, 2),
    "routes": (10, 200),
    "rows": (10_000, 1_000_000, 10_000_000),
}
"""What grows, and the values at which it is measured."""

_INTRODUCTION = f"""\
# How cost grows

{origin("growth")} Figures are medians of the rounds, the lowest and the highest in
parentheses.

"""

# Colours of Okabe and Ito, which people with any kind of colour vision tell apart.
_COLOURS = ("#0072B2", "#999999")
_LINES = {"get": "-", "list": "--"}


@dataclass(frozen=True)
class Point:
    """One measurement, and the value of what grows."""

    value: int
    measurement: Measurement


@dataclass
class Growth:
    """Everything that was measured.

    Attributes:
        machine: What it ran on and with.
        points: The measurements of each series.
    """

    machine: dict[str, str]
    points: dict[str, list[Point]] = field(default_factory=dict)


def report_of(growth: Growth) -> str:
    """Return the tables of all series."""
    sections = [_section(name, points) for name, points in growth.points.items()]
    return _INTRODUCTION + listed(growth.machine) + "".join(sections)


def plot_series(name: str, points: Sequence[Point], file: Path) -> None:
    """Draw the throughput and the 99th percentile of each contender and workload over what grows."""
    mpl.use("agg")
    figure, (throughput, latency) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for number, contender in enumerate(_contenders(points)):
        for workload, line in _LINES.items():
            values = [value for value in SERIES[name] if _measured(points, contender, workload, value)]
            label = f"{contender}, {TITLES[workload]}"
            for panel, what in ((throughput, "per_second"), (latency, "p99_ms")):
                spreads = [_spread(points, contender, workload, value, what) for value in values]
                panel.errorbar(
                    values,
                    [each.median for each in spreads],
                    yerr=[[each.median - each.low for each in spreads], [each.high - each.median for each in spreads]],
                    color=_COLOURS[number],
                    linestyle=line,
                    marker="o",
                    markersize=3,
                    capsize=2,
                    label=label,
                )
    for panel, title in ((throughput, "requests per second"), (latency, "p99, ms")):
        panel.set_xscale("log")
        panel.set_xticks(SERIES[name], [f"{value:,}" for value in SERIES[name]])
        panel.minorticks_off()
        panel.set_xlabel(name)
        panel.set_title(title, fontsize=10)
        panel.set_ylim(bottom=0)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    figure.legend(*throughput.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _section(name: str, points: Sequence[Point]) -> str:
    header = [
        name,
        *(f"{title}, {unit}" for title in (TITLES[each] for each in WORKLOADS) for unit in ("per second", "p99")),
    ]
    lines = [f"\n## {name.capitalize()}\n", f"![{name}](growth-{name}.png)\n"]
    for contender in _contenders(points):
        rows = [
            [f"{value:,}", *(cell for workload in WORKLOADS for cell in _cells(points, contender, workload, value))]
            for value in SERIES[name]
        ]
        lines += [f"`{contender}`\n", table(header, rows)]
    return "\n".join(lines)


def _cells(points: Sequence[Point], contender: str, workload: str, value: int) -> tuple[str, str]:
    errors = sum(each.errors for each in _measured(points, contender, workload, value))
    if errors:
        return f"**invalid: {errors:,} errors**", ""
    served, p99 = (_spread(points, contender, workload, value, what) for what in ("per_second", "p99_ms"))
    return served.shown(",.0f"), f"{p99.median:,.0f} ms"


def _contenders(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(point.measurement.contender for point in points))


def _measured(points: Sequence[Point], contender: str, workload: str, value: int) -> list[Measurement]:
    measured = (point.measurement for point in points if point.value == value)
    return [each for each in measured if (each.contender, each.workload) == (contender, workload)]


def _spread(points: Sequence[Point], contender: str, workload: str, value: int, what: str) -> Spread:
    found = spread([getattr(each, what) for each in _measured(points, contender, workload, value)])
    return found or Spread(0, 0, 0)
