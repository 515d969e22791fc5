"""What more servers bring, as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.markdown import listed, origin, table
from benchmarks.results import Measurement, Spread, spread
from benchmarks.workloads import TITLES


class Step(NamedTuple):
    """A thing of which there are more and more.

    Attributes:
        name: What it is called.
        values: How many there are.
        workloads: What is asked for.
    """

    name: str
    values: tuple[int, ...]
    workloads: tuple[str, ...]


SERVICES = Step("services", (1, 2, 4, 8), ("get", "list"))
DATABASES = Step("read replicas", (0, 1, 2), ("get", "list", "post"))

_INTRODUCTION = f"""\
# What more servers bring

{origin("scaling")} Figures are medians of the rounds, the lowest and the highest in
parentheses. All of it shares one machine, the load generator and the balancer included: where its cores are busy, more
servers bring nothing. How many connections there are, and what the primary does for an answer, carries over.

"""


@dataclass(frozen=True)
class Point:
    """One measurement, and what the primary had to do for it.

    Attributes:
        step: Of what there were so many.
        count: How many.
        measurement: What was served.
        connections: At the primary, the most at work within a second.
        primary_us: Microseconds of processor time that the primary took for an answer.
    """

    step: str
    count: int
    measurement: Measurement
    connections: int
    primary_us: float


@dataclass
class Scaling:
    """Everything that was measured.

    Attributes:
        machine: What it ran on and with.
        points: In the order in which they were measured.
    """

    machine: dict[str, str]
    points: list[Point] = field(default_factory=list)


def report_of(scaling: Scaling) -> str:
    """Return both tables."""
    return "".join([_INTRODUCTION, listed(scaling.machine), _services(scaling), _databases(scaling)])


def _services(scaling: Scaling) -> str:
    header = ["services", *(f"{TITLES[each]}, {unit}" for each in SERVICES.workloads for unit in ("per second", "p99"))]
    lines = ["\n## Replicas of the service, behind HAProxy\n"]
    for contender in dict.fromkeys(each.measurement.contender for each in scaling.points):
        rows = []
        for count in SERVICES.values:
            points = [each for each in _of(scaling, SERVICES, count) if each.measurement.contender == contender]
            cells = [cell for each in SERVICES.workloads for cell in _cells(points, each)]
            rows.append([str(count), *cells, str(max((each.connections for each in points), default=0))])
        lines += [f"`{contender}`\n", table([*header, "connections at PostgreSQL, the most"], rows)]
    return "\n".join(lines)


def _databases(scaling: Scaling) -> str:
    units = ("per second", "p99", "processor time of the primary")
    header = ["read replicas", *(f"{TITLES[each]}, {unit}" for each in DATABASES.workloads for unit in units)]
    rows = [
        [
            str(count),
            *(
                cell
                for workload in DATABASES.workloads
                for cell in (*_cells(points, workload), _primary(points, workload))
            ),
        ]
        for count in DATABASES.values
        for points in [_of(scaling, DATABASES, count)]
    ]
    return "\n".join(["\n## Replicas of the database\n", _SHARED, table(header, rows)])


def _cells(points: list[Point], workload: str) -> tuple[str, str]:
    measured = [each.measurement for each in points if each.measurement.workload == workload]
    if errors := sum(each.errors for each in measured):
        return f"**invalid: {errors:,} errors**", ""
    served, p99 = spread([each.per_second for each in measured]), spread([each.p99_ms or 0 for each in measured])
    return (served or _NOTHING).shown(",.0f"), f"{(p99 or _NOTHING).median:,.0f} ms"


def _primary(points: list[Point], workload: str) -> str:
    found = spread([each.primary_us for each in points if each.measurement.workload == workload])
    return (found or _NOTHING).shown(",.0f", " us")


def _of(scaling: Scaling, step: Step, count: int) -> list[Point]:
    return [each for each in scaling.points if (each.step, each.count) == (step.name, count)]


_NOTHING = Spread(0, 0, 0)

_SHARED = """\
One service, whose pool at each server has ten connections: what finds those to the replica in use reads at the primary.
"""
