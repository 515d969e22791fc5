"""What more servers bring: replicas of the service behind a balancer, and replicas of the database."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psycopg

from benchmarks.arena import Arena, open_arena
from benchmarks.contenders import Contender, Start
from benchmarks.generated import Way, generated, start_of
from benchmarks.load import install_wrk
from benchmarks.machine import describe
from benchmarks.progress import Progress
from benchmarks.results import results_folder, write_results
from benchmarks.runs import begun, rounds_of
from benchmarks.scaling_report import DATABASES, SERVICES, Point, Scaling, Step, report_of
from benchmarks.serving import Served, serve
from benchmarks.workloads import TITLES, Timing, measure
from tests.harness.rendering.template import Template
from tests.harness.running.balancers import balanced, documented, version_of
from tests.harness.running.servers import devtools, install_pgbouncer, postgres_cpu, server_url
from tests.harness.running.services import Service

Value = TypeVar("Value")

CONNECTIONS = 128
"""How many clients ask at the same time: enough for the pools of all replicas."""

_LOOK_EVERY = 0.1  # seconds
_CAUGHT_UP_WITHIN = 60.0  # seconds

# Those at work: PgBouncer keeps connections for another contender, too.
_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND (state <> 'idle' OR state_change > clock_timestamp() - interval '1s')
"""


@dataclass(frozen=True)
class _Run:
    """What a run measures with."""

    arena: Arena
    service: Service
    scaling: Scaling
    progress: Progress
    timing: Timing
    turn: int = 0


@dataclass
class _AtServer:
    """What the primary has to do for a time.

    Attributes:
        connections: To the database of the short requests, the most at work within a second.
        processor_seconds: What it took.
        seconds: How long that was.
    """

    connections: int = 0
    processor_seconds: float = 0
    seconds: float = 0

    @contextmanager
    def watched(self, url: str) -> Iterator[None]:
        """Note what it has to do within the block."""
        ended = threading.Event()
        thread = threading.Thread(target=self._count, args=[url, ended])
        thread.start()
        processor_seconds, began = postgres_cpu(), time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - began
            self.processor_seconds = postgres_cpu() - processor_seconds
            ended.set()
            thread.join()

    def _count(self, url: str, ended: threading.Event) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not ended.wait(_LOOK_EVERY):
                row = connection.execute(_AT_WORK).fetchone()
                self.connections = max(self.connections, row[0] if row else 0)


def measure_scaling(options: argparse.Namespace) -> None:
    """Measure replicas of the service and of the database in turns; write the tables."""
    install_wrk()
    results = results_folder(quick=options.quick)
    rounds, timing = rounds_of(options)
    with ExitStack() as stack:
        folder, template, service = stack.enter_context(begun())
        contenders = _contenders(template)
        progress = Progress(
            rounds * (len(contenders) * len(SERVICES.values) * len(SERVICES.workloads))
            + rounds * len(DATABASES.values) * len(DATABASES.workloads)
        )
        arena = stack.enter_context(open_arena(folder, template, service, contenders, progress))
        machine = {**describe(service, arena.database_url), "Balancer": f"{version_of('haproxy')}, on the same machine"}
        run = _Run(arena, service, Scaling(machine), progress, timing)
        standbys = [stack.enter_context(_standby()) for _ in range(max(DATABASES.values))]
        for turn in range(1, rounds + 1):
            round_of = dataclasses.replace(run, turn=turn)
            _measure_services(round_of, contenders)
            _measure_databases(round_of, contenders[0], standbys)
            write_results(results, "scaling", dataclasses.asdict(run.scaling), report_of(run.scaling))
    progress.say(f"written to {results}")


def _contenders(template: Template) -> list[Contender]:
    """The default combination, and the same behind PgBouncer where there is one."""
    names = ["asyncpg-queue-repository", *(["asyncpg-pgbouncer-repository"] if install_pgbouncer() else [])]
    known = {each.name: each for each in generated(template)}
    return [known[name] for name in names]


def _measure_services(run: _Run, contenders: Sequence[Contender]) -> None:
    for count in _in_turn(SERVICES.values, run.turn):
        for contender in _in_turn(contenders, run.turn):
            with _replicas(run, contender, run.arena.starts[contender.name], count) as served:
                for workload in SERVICES.workloads:
                    _note(run, SERVICES, count, workload, served)


def _measure_databases(run: _Run, contender: Contender, standbys: Sequence[str]) -> None:
    for count in _in_turn(DATABASES.values, run.turn):
        url = urlsplit(run.arena.database_url)
        hosts = ",".join(standbys[:count])
        read = {"DATABASE_READ_URL": f"postgresql://{url.username}@{hosts}{url.path}"} if hosts else {}
        with _replicas(run, contender, start_of(run.service, Way("", read)), 1) as served:
            _wait_until_caught_up(run.arena.database_url)
            for workload in DATABASES.workloads:
                _note(run, DATABASES, count, workload, served)


def _note(run: _Run, step: Step, count: int, workload: str, served: Served) -> None:
    """Measure one load, and add what comes out."""
    at_server = _AtServer()
    measurement = measure(
        run.turn,
        workload,
        served,
        run.arena,
        connections=CONNECTIONS,
        timing=run.timing,
        meanwhile=at_server.watched(run.arena.database_url),
    )
    answers = measurement.per_second * at_server.seconds
    primary_us = at_server.processor_seconds / answers * 1e6 if answers else 0
    run.scaling.points.append(Point(step.name, count, measurement, at_server.connections, primary_us))
    run.progress.show(measurement.contender, f"{TITLES[workload]}, {count} {step.name}", measurement)


@contextmanager
def _replicas(run: _Run, contender: Contender, start: Start, count: int) -> Iterator[Served]:
    """Start so many services of one process each, behind HAProxy as the documents set it up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=run.arena.folder)))
        each = [stack.enter_context(serve(contender, start, run.arena.place(contender))) for _ in range(count)]
        balancer = stack.enter_context(
            balanced(
                "haproxy", documented(run.service.folder, "haproxy"), [served.place.port for served in each], folder
            )
        )
        place = dataclasses.replace(each[0].place, port=balancer.port, workers=count)
        yield each[0]._replace(place=place, live=balancer, behind=tuple(served.live for served in each))


@contextmanager
def _standby() -> Iterator[str]:
    """Run a standby of the shared server; give its host and port."""
    with devtools("postgres").running(options={"max_connections": "400"}, copy_of=server_url()) as server:
        yield f"{server.host}:{server.port}"


def _wait_until_caught_up(url: str) -> None:
    """Wait until every standby has replayed what was written until now."""
    deadline = time.monotonic() + _CAUGHT_UP_WITHIN
    with psycopg.connect(url, autocommit=True) as connection:
        position = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        asked = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < %s OR replay_lsn IS NULL"
        while connection.execute(asked, position).fetchone() != (0,):
            if time.monotonic() > deadline:
                raise TimeoutError(f"a standby is still behind after {_CAUGHT_UP_WITHIN:g} s")
            time.sleep(_LOOK_EVERY)


def _in_turn(values: Sequence[Value], turn: int) -> Sequence[Value]:
    """Every other round goes backwards, so that what gets slower with time favours nobody."""
    return values if turn % 2 else values[::-1]
