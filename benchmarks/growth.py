"""How cost grows: with rows, with connections, with workers, and with routes."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.arena import Arena, filled_database, open_arena
from benchmarks.contenders import Contender
from benchmarks.generated import generated, service_in, start_of
from benchmarks.handwritten import reference
from benchmarks.load import install_wrk
from benchmarks.machine import describe
from benchmarks.more_routes import add_routes
from benchmarks.progress import Progress
from benchmarks.results import Measurement, results_folder, write_results
from benchmarks.runs import begun, rounds_of
from benchmarks.series import SERIES, WORKLOADS, Growth, Point, plot_series, report_of
from benchmarks.serving import Served, serve
from benchmarks.workloads import TITLES, Timing, measure
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.template import Template
from tests.harness.running.services import Service

CONNECTIONS = 64
"""How many clients ask, unless it is their number that grows."""


@dataclass(frozen=True)
class _Setting:
    """Who is measured, and where."""

    arena: Arena
    template: Template
    service: Service
    contenders: Sequence[Contender]


def measure_growth(options: argparse.Namespace) -> None:
    """Measure each series that the command line asks for; write a table and a plot for each."""
    install_wrk()
    results = results_folder(quick=options.quick)
    rounds, timing = rounds_of(options)
    with ExitStack() as stack:
        folder, template, service = stack.enter_context(begun())
        contenders = [generated(template)[0], reference(service)]
        measured = sum(len(SERIES[name]) * (1 if name == "routes" else len(contenders)) for name in options.series)
        progress = Progress(rounds * measured * len(WORKLOADS))
        arena = stack.enter_context(open_arena(folder, template, service, contenders, progress))
        growth = Growth(describe(service, arena.database_url))
        for name in options.series:
            growth.points[name] = _series(
                name, _Setting(arena, template, service, contenders), rounds, timing, progress
            )
            write_results(results, "growth", dataclasses.asdict(growth), report_of(growth))
            plot_series(name, growth.points[name], results / f"growth-{name}.png")
    progress.say(f"written to {results}")


def _series(name: str, setting: _Setting, rounds: int, timing: Timing, progress: Progress) -> list[Point]:
    """Measure at each value in each round, so that what disturbs one value disturbs the others."""
    points = []
    with ExitStack() as stack:
        settings = {value: stack.enter_context(_SETTINGS[name](setting, value)) for value in SERIES[name]}
        for turn in range(1, rounds + 1):
            for value, each in settings.items():
                connections = value if name == "connections" else CONNECTIONS
                workers = value if name == "workers" else 1
                for measurement in _measure(each, turn, connections, workers, timing):
                    points.append(Point(value, measurement))
                    load = f"{TITLES[measurement.workload]}, {value:,} {name}"
                    progress.show(measurement.contender, load, measurement)
    return points


def _measure(setting: _Setting, turn: int, connections: int, workers: int, timing: Timing) -> Iterator[Measurement]:
    with ExitStack() as stack:
        served: list[Served] = []
        for contender in setting.contenders:
            place = setting.arena.place(contender, workers=workers)
            served.append(stack.enter_context(serve(contender, setting.arena.starts[contender.name], place)))
        for workload in WORKLOADS:
            for each in served if turn % 2 else served[::-1]:
                yield measure(turn, workload, each, setting.arena, connections=connections, timing=timing)


@contextmanager
def _as_it_is(setting: _Setting, _value: int) -> Iterator[_Setting]:
    yield setting


@contextmanager
def _with_rows(setting: _Setting, rows: int) -> Iterator[_Setting]:
    with filled_database(setting.service, rows) as url:
        yield dataclasses.replace(setting, arena=dataclasses.replace(setting.arena, database_url=url, heroes=rows))


@contextmanager
def _with_routes(setting: _Setting, routes: int) -> Iterator[_Setting]:
    """Give the generated service so many more routes, which are looked at before those that are asked for."""
    service = service_in(setting.arena.folder / f"{routes}-routes")
    setting.template.render_to(service.folder, combinations()[0].answers)
    add_routes(service.folder, routes)
    service.install("--no-dev", "--no-editable")
    contender = setting.contenders[0]
    starts = {contender.name: start_of(service)}
    yield dataclasses.replace(setting, arena=dataclasses.replace(setting.arena, starts=starts), contenders=[contender])


_SETTINGS = {"connections": _as_it_is, "workers": _as_it_is, "rows": _with_rows, "routes": _with_routes}
