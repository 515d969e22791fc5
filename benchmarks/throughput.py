"""How much each contender serves: rounds in which they take turns, and what is written about them."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.arena import Arena, open_arena
from benchmarks.checks import Example, check_all
from benchmarks.contenders import WORKLOADS, Contender
from benchmarks.generated import generated, start_of
from benchmarks.handwritten import REFERENCE, handwritten
from benchmarks.load import install_wrk
from benchmarks.machine import describe
from benchmarks.peers import peers
from benchmarks.plots import plot
from benchmarks.progress import Progress
from benchmarks.report import report_of
from benchmarks.results import Results, results_folder, write_results
from benchmarks.rounds import Plan, play
from benchmarks.runs import begun, rounds_of
from benchmarks.workloads import EXPORT
from tests.harness.rendering.template import Template
from tests.harness.running.servers import install_pgbouncer
from tests.harness.running.services import Service


class UnknownContenderError(LookupError):
    """Nobody has that name."""


def all_contenders(template: Template, service: Service) -> list[Contender]:
    """Everyone who can take part; the hand-written ones run in the environment of the service."""
    return [*handwritten(service), *generated(template), *peers()]


def measure_throughput(options: argparse.Namespace) -> None:
    """Play the rounds that the command line asks for; write tables, a plot, and every measurement."""
    with ExitStack() as stack:
        folder, template, service = stack.enter_context(begun())
        install_wrk()
        plan = _plan(options, _playable(_chosen(all_contenders(template, service), options.only)))
        progress = Progress(plan.steps())
        arena = stack.enter_context(
            open_arena(folder, template, service, plan.contenders, progress, exports=EXPORT in plan.workloads)
        )
        check_all(arena, Example(generated(template)[0], start_of(service)), plan.contenders, progress)
        _play(plan, arena, service, progress, results_folder(quick=options.quick))


def _play(plan: Plan, arena: Arena, service: Service, progress: Progress, folder: Path) -> None:
    results = Results(
        machine=describe(service, arena.database_url),
        contenders={each.name: (each.kind, each.description) for each in plan.contenders},
        reference=REFERENCE,
    )
    for number in range(1, plan.rounds + 1):
        play(plan, number, arena, results, progress)
        # After each round, so that a run that is cut short has not been in vain.
        _write(folder, results)
    progress.say(f"written to {folder}")


def _write(folder: Path, results: Results) -> None:
    write_results(folder, "throughput", dataclasses.asdict(results), report_of(results))
    plot(results, folder / "throughput.png")


def _plan(options: argparse.Namespace, contenders: Sequence[Contender]) -> Plan:
    rounds, timing = rounds_of(options)
    return Plan(
        contenders=contenders,
        workloads=[name for name in WORKLOADS if name in options.workloads],
        connections=sorted(options.connections),
        rounds=rounds,
        timing=timing,
        workers=options.workers,
    )


def _chosen(contenders: Sequence[Contender], names: Sequence[str] | None) -> Sequence[Contender]:
    if names is None:
        return [contender for contender in contenders if not contender.on_request]
    known = {contender.name for contender in contenders}
    if unknown := set(names) - known:
        raise UnknownContenderError(f"no contender is called {', '.join(sorted(unknown))}; --list prints their names")
    return [contender for contender in contenders if contender.name in {REFERENCE, *names}]


def _playable(contenders: Sequence[Contender]) -> Sequence[Contender]:
    if not any(contender.bouncer for contender in contenders) or install_pgbouncer():
        return contenders
    print("PgBouncer is missing: measured without those that work behind it", file=sys.stderr, flush=True)
    return [contender for contender in contenders if not contender.bouncer]
