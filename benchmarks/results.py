"""What was measured, as a file that tables and plots are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

_RESULTS = Path(__file__).with_name("results")

USUAL_CONNECTIONS = 64
"""The number of connections that stands for all, if it was measured."""


@dataclass(frozen=True)
class Measurement:
    """One contender under one load, once.

    Attributes:
        turn: The number of the round.
        contender: Its name.
        workload: Its name.
        connections: How many clients asked at the same time.
        per_second: Answers, or rows of an export, in a second.
        p50_ms: The median of the latencies in milliseconds; none for an export.
        p99_ms: The latency that one of a hundred requests exceeds, in milliseconds; none for an export.
        processor_us: Microseconds of processor time that the contender took for an answer, or for a row of an export.
        errors: Requests that were refused or got no answer, or rows that did not come.
        growth: Megabytes of memory that an export took at the highest.
    """

    turn: int
    contender: str
    workload: str
    connections: int
    per_second: float
    errors: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    processor_us: float | None = None
    growth: float | None = None

    def mean_ms(self) -> float:
        """The mean latency, those included that were still waiting at the end: https://en.wikipedia.org/wiki/Little's_law."""
        return 1000 * self.connections / self.per_second if self.per_second else 0


@dataclass(frozen=True)
class Footprint:
    """What one contender took in one round besides answering.

    Attributes:
        turn: The number of the round.
        contender: Its name.
        start_seconds: From the start of its process until it had answered with a hero.
        memory: Megabytes of each worker after the load.
    """

    turn: int
    contender: str
    start_seconds: float
    memory: float


class Spread(NamedTuple):
    """The median of several rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float

    def shown(self, form: str = ".2f", unit: str = "") -> str:
        """The median, with the lowest and the highest in parentheses."""
        return f"{self.median:{form}}{unit} ({self.low:{form}} to {self.high:{form}})"


@dataclass
class Results:
    """Everything that a run measured.

    Attributes:
        machine: What it ran on and with, in the order in which it is shown.
        contenders: Group and description of each, by name, in the order in which they are shown.
        reference: The contender that the others are compared with.
        measurements: Of all rounds.
        footprints: Of all rounds.
    """

    machine: dict[str, str]
    contenders: dict[str, tuple[str, str]]
    reference: str
    measurements: list[Measurement] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)

    def of(self, contender: str, workload: str, connections: int) -> list[Measurement]:
        """The measurements of one row and column, round by round."""
        return [each for each in self._under(workload, connections) if each.contender == contender]

    def connections(self, workload: str) -> list[int]:
        """The numbers of connections at which a workload was measured, the lowest first."""
        return sorted({each.connections for each in self.measurements if each.workload == workload})

    def usual_connections(self, workload: str) -> int:
        """The number of connections at which a workload is shown where there is room for one only."""
        measured = self.connections(workload)
        return USUAL_CONNECTIONS if USUAL_CONNECTIONS in measured else measured[len(measured) // 2]

    def errors(self, contender: str, workload: str, connections: int) -> int:
        """How much went wrong; a ratio says nothing unless this is 0."""
        return sum(each.errors for each in self.of(contender, workload, connections))

    def ratio(self, contender: str, workload: str, connections: int, *, to: str | None = None) -> Spread | None:
        """The contender's throughput by another's in the same round, by default the reference's.

        None if one of them was not measured, or has errors.
        """
        own = self.shares(contender, workload, connections)
        others = self.shares(to or self.reference, workload, connections)
        return spread([own[turn] / others[turn] for turn in own.keys() & others.keys() if others[turn]])

    def processor_us(self, contender: str, workload: str) -> dict[int, float]:
        """The processor time of an answer at the usual number of connections, for each round; none with errors."""
        connections = self.usual_connections(workload)
        if self.errors(contender, workload, connections):
            return {}
        measured = self.of(contender, workload, connections)
        return {each.turn: each.processor_us for each in measured if each.processor_us is not None}

    def shares(self, contender: str, workload: str, connections: int, what: str = "per_second") -> dict[int, float]:
        """What a contender has, by what the reference has just before and after, for each round; none with errors."""
        if self.errors(contender, workload, connections) or self.errors(self.reference, workload, connections):
            return {}
        shares = {}
        for turn in {each.turn for each in self.of(contender, workload, connections)}:
            measured = [each for each in self._under(workload, connections) if each.turn == turn]
            at = next(index for index, each in enumerate(measured) if each.contender == contender)
            before = [each for each in measured[: at + 1] if each.contender == self.reference][-1:]
            after = [each for each in measured[at:] if each.contender == self.reference][:1]
            own, others = getattr(measured[at], what), [getattr(each, what) for each in before + after]
            if own is not None and all(others):
                shares[turn] = own / mean(others)
        return shares

    def _under(self, workload: str, connections: int) -> list[Measurement]:
        """The measurements under one load, in the order in which they were made."""
        return [each for each in self.measurements if (each.workload, each.connections) == (workload, connections)]


def results_folder(*, quick: bool) -> Path:
    """Return the folder to write to: for a quick run, whose figures say nothing, one that git ignores."""
    folder = _RESULTS / "quick" if quick else _RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_results(folder: Path, name: str, measured: Mapping[str, Any], report: str) -> None:
    """Write ``NAME.json`` with everything that was measured, and ``NAME.md`` with what it shows."""
    folder.joinpath(f"{name}.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    folder.joinpath(f"{name}.md").write_text(report, encoding="utf-8")


def spread(values: list[float]) -> Spread | None:
    """Summarise the values of several rounds; None if there are none."""
    return Spread(median(values), min(values), max(values)) if values else None
