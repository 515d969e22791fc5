"""How cost grows: with rows, with connections, with workers, and with routes."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arena import Arena, filled_database, open_arena
from benchmarks.contenders import Contender
from benchmarks.cursors import note_cursors
from benchmarks.generated import generated, install, service_in, start_of
from benchmarks.handwritten import REFERENCE, handwritten, install_drivers
from benchmarks.load import install_wrk
from benchmarks.machine import describe
from benchmarks.more_routes import add_routes
from benchmarks.progress import Progress
from benchmarks.results import RESULTS, Measurement
from benchmarks.series import SERIES, WORKLOADS, Growth, Point, plot_series, write_growth
from benchmarks.serving import Served, serve
from benchmarks.workloads import TITLES, Timing, send
from tests.harness.combinations import combinations
from tests.harness.rendering import Template
from tests.harness.servers import shared_postgres
from tests.harness.services import Service

CONNECTIONS = 64
"""How many clients ask, unless it is their number that grows."""


@dataclass(frozen=True)
class _Field:
    """Who is measured, and where."""

    arena: Arena
    template: Template
    service: Service
    contenders: Sequence[Contender]


def measure_growth(options: argparse.Namespace) -> None:
    """Measure each series that the command line asks for; write a table and a plot for each."""
    install_wrk()
    rounds, timing = (2, Timing(1)) if options.quick else (options.rounds, Timing(options.seconds))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="template-benchmarks-")))
        template = Template(folder)
        service = service_in(folder / "example")
        contenders = [generated(template)[0], next(each for each in handwritten(service) if each.name == REFERENCE)]
        measured = sum(len(SERIES[name]) * (1 if name == "routes" else len(contenders)) for name in options.series)
        progress = Progress(rounds * measured * len(WORKLOADS))
        progress.say("installing an example, and filling the database")
        install(template, combinations()[0], service)
        install_drivers(service)
        server = folder / "server"
        server.mkdir()
        stack.enter_context(shared_postgres(server))
        arena = stack.enter_context(open_arena(folder, service, contenders, exports=False))
        for contender in contenders:
            arena.prepare(contender)
        growth = Growth(describe(service, arena.database_url))
        for name in options.series:
            growth.points[name] = _series(name, _Field(arena, template, service, contenders), rounds, timing, progress)
            RESULTS.mkdir(exist_ok=True)
            growth.save(RESULTS / "growth.json")
            plot_series(name, growth.points[name], RESULTS / f"growth-{name}.png")
            write_growth(growth, RESULTS / "growth.md")
    progress.say(f"written to {RESULTS}")


def _series(name: str, field_: _Field, rounds: int, timing: Timing, progress: Progress) -> list[Point]:
    """Measure at each value in each round, so that what disturbs one value disturbs the others."""
    points = []
    with ExitStack() as stack:
        fields = {value: stack.enter_context(_FIELDS[name](field_, value)) for value in SERIES[name]}
        for turn in range(1, rounds + 1):
            for value, each in fields.items():
                connections = value if name == "connections" else CONNECTIONS
                workers = value if name == "workers" else 1
                for measurement in _measure(each, turn, connections, workers, timing):
                    points.append(Point(value, measurement))
                    load = f"{TITLES[measurement.workload]}, {value:,} {name}"
                    progress.show(measurement.contender, load, measurement)
    return points


def _measure(field_: _Field, turn: int, connections: int, workers: int, timing: Timing) -> Iterator[Measurement]:
    with ExitStack() as stack:
        served: list[Served] = []
        for contender in field_.contenders:
            place = field_.arena.place(contender, workers=workers)
            served.append(stack.enter_context(serve(contender, field_.arena.starts[contender.name], place)))
            note_cursors(served[-1], field_.arena)
        for workload in WORKLOADS:
            for each in served if turn % 2 else served[::-1]:
                load = send(workload, each, field_.arena, connections=connections, timing=timing)
                yield Measurement(
                    turn=turn,
                    contender=each.contender.name,
                    workload=workload,
                    connections=connections,
                    per_second=load.per_second,
                    errors=load.refused + load.broken,
                    p50_ms=load.p50_ms,
                    p99_ms=load.p99_ms,
                )


@contextmanager
def _as_it_is(field_: _Field, _value: int) -> Iterator[_Field]:
    yield field_


@contextmanager
def _with_rows(field_: _Field, rows: int) -> Iterator[_Field]:
    with filled_database(field_.service, rows) as url:
        yield dataclasses.replace(field_, arena=dataclasses.replace(field_.arena, database_url=url, heroes=rows))


@contextmanager
def _with_routes(field_: _Field, routes: int) -> Iterator[_Field]:
    """Give the generated service so many more routes, which are looked at before those that are asked for."""
    service = service_in(field_.arena.folder / f"{routes}-routes")
    field_.template.render_to(service.folder, combinations()[0].answers)
    add_routes(service.folder, routes)
    service.install("--no-dev", "--no-editable")
    contender = field_.contenders[0]
    starts = {contender.name: start_of(service)}
    yield dataclasses.replace(field_, arena=dataclasses.replace(field_.arena, starts=starts), contenders=[contender])


_FIELDS = {"connections": _as_it_is, "workers": _as_it_is, "rows": _with_rows, "routes": _with_routes}
