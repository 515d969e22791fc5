"""The page of a run: all that it says at its end, and more, in one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

from tests.harness.reporting.failures import Told
from tests.harness.reporting.processor import Part, largest_of

TEMPLATE = "page.html.jinja"


@dataclass(frozen=True)
class Step:
    """How a step of a combination ended: `ok`, `failed` or `skipped`; and whose result that is, if not its own."""

    outcome: str
    seconds: float
    taken_over: str = ""


@dataclass(frozen=True)
class Row:
    """A combination, the Python that it ran on, its steps by their names, and the coverage of its two suites."""

    combination: str
    python: str
    steps: Mapping[str, Step]
    coverage: str = ""
    kit_coverage: str = ""

    @property
    def group(self) -> str:
        """Driver and pool."""
        return ", ".join(self.combination.split("-")[:2])

    @property
    def name(self) -> str:
        """What distinguishes it within its group."""
        return "-".join(self.combination.split("-")[2:])

    @property
    def seconds(self) -> float:
        """Of its own steps together: where a result was taken over, it only waited."""
        return sum(step.seconds for step in self.steps.values() if not step.taken_over)

    @property
    def failed(self) -> bool:
        """Whether any step did."""
        return any(step.outcome == "failed" for step in self.steps.values())


@dataclass(frozen=True)
class RunRecord:
    """What the page shows.

    Attributes:
        outcome: `passed`, `failed` or `interrupted`.
        began: When.
        total: How many tests were to run.
        outcomes: How many ended in which way: `ok`, `failed`, `skipped`.
        wall: Seconds that the run took.
        processor: Seconds of all processors together.
        versions: Of what was tested, and of what it was tested with.
        steps: The columns of the matrix.
        rows: The rows of the matrix.
        failures: The largest group first.
        left_out: Why tests did not run, and how many.
        suites: The table of the suites: which tests ran, and which were taken over from where.
        suites_in_sum: The same in one sentence.
        parts: Where the processor's time went.
        tables: Those that tests have filled, by title: cells of each row, and whether its test passed.
        slowest: Tests outside of the matrix, with their seconds.
    """

    outcome: str
    began: datetime
    total: int
    outcomes: Mapping[str, int]
    wall: float
    processor: float
    versions: Mapping[str, str] = field(default_factory=dict)
    steps: Sequence[str] = ()
    rows: Sequence[Row] = ()
    failures: Sequence[Told] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    suites: Sequence[Mapping[str, str]] = ()
    suites_in_sum: str = ""
    parts: Sequence[Part] = ()
    tables: Mapping[str, Sequence[tuple[Mapping[str, str], bool]]] = field(default_factory=dict)
    slowest: Sequence[tuple[str, float]] = ()


def page_of(run: RunRecord) -> str:
    """The page. Whatever the record holds is text on it, and never markup."""
    # It takes longer to import than a small run to start.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    groups = [(name, [*rows]) for name, rows in groupby(run.rows, key=lambda row: row.group)]
    return environment.get_template(TEMPLATE).render(
        run=run,
        groups=groups,
        shown={row.combination for row in run.rows},
        parts=largest_of(run.parts),
        largest=max((part.processor for part in run.parts), default=0.0) or 1.0,
        whole=sum(part.processor for part in run.parts) or 1.0,
        processors=os.cpu_count(),
    )


def write_page(run: RunRecord, path: Path) -> None:
    """Write the page in place of an earlier one, at once, so that a browser never shows half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(page_of(run), encoding="utf-8")
    unfinished.replace(path)


def _time(seconds: float) -> str:
    """As people say it: `0.4 s`, `59 s`, `12 min 5 s`, `1 h 2 min`."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
