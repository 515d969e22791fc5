"""Measure every contender: ``uv run --group benchmarks python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.arena import Arena, open_arena
from benchmarks.checks import DifferentError, Example, check_all
from benchmarks.contenders import WORKLOADS, Contender
from benchmarks.generated import generated, install, service_in, start_of
from benchmarks.handwritten import REFERENCE, handwritten, install_drivers
from benchmarks.load import WrkMissingError, install_wrk
from benchmarks.machine import describe
from benchmarks.peers import peers
from benchmarks.peers.versions import PythonMissingError
from benchmarks.plots import plot
from benchmarks.progress import Progress
from benchmarks.report import write_report
from benchmarks.results import Results
from benchmarks.rounds import Plan, play
from benchmarks.serving import NotServingError
from benchmarks.workloads import EXPORT, Timing
from tests.harness.combinations import combinations
from tests.harness.commands import CommandFailedError
from tests.harness.rendering import Template
from tests.harness.servers import install_pgbouncer, shared_postgres
from tests.harness.services import Service

RESULTS = Path(__file__).with_name("results")


class UnknownContenderError(LookupError):
    """Nobody has that name."""


PROBLEMS = (
    WrkMissingError,
    PythonMissingError,
    UnknownContenderError,
    NotServingError,
    DifferentError,
    CommandFailedError,
)
"""What ends a run with a message that says all."""


def main() -> None:
    """Run what the command line asks for; end with a message if that cannot be done."""
    options = _parser().parse_args()
    try:
        _run(options)
    except PROBLEMS as problem:
        sys.exit(str(problem))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=5, metavar="S", help="how long each measurement takes")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contenders to measure, besides the reference")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--connections", nargs="+", type=int, default=[16, 64, 256], metavar="N")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of each contender")
    parser.add_argument("--quick", action="store_true", help="two rounds of one second, to see that everything works")
    parser.add_argument("--list", action="store_true", help="print the names of the contenders, and of the workloads")
    return parser


def _run(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="template-benchmarks-")))
        template = Template(folder)
        service = service_in(folder / "example")
        contenders = [*handwritten(service), *generated(template), *peers()]
        if options.list:
            print(*(f"{each.name:<30}  {each.description}" for each in contenders), sep="\n")
            return
        install_wrk()
        plan = _plan(options, _playable(_chosen(contenders, options.only)))
        progress = Progress(plan.steps())
        progress.say("installing an example, and filling the databases")
        install(template, combinations()[0], service)
        install_drivers(service)
        stack.enter_context(shared_postgres(_new_folder(folder / "server")))
        arena = stack.enter_context(open_arena(folder, service, plan.contenders, exports=EXPORT in plan.workloads))
        for contender in plan.contenders:
            progress.say(f"preparing {contender.name}")
            arena.prepare(contender)
        check_all(arena, Example(generated(template)[0], start_of(service)), plan.contenders, progress)
        _play(plan, arena, service, progress)


def _play(plan: Plan, arena: Arena, service: Service, progress: Progress) -> None:
    results = Results(
        machine=describe(service, arena.database_url),
        contenders={each.name: (each.kind, each.description) for each in plan.contenders},
        reference=REFERENCE,
    )
    for number in range(1, plan.rounds + 1):
        play(plan, number, arena, results, progress)
        # After each round, so that a run that is cut short has not been in vain.
        _write(results)
    progress.say(f"written to {RESULTS}")


def _write(results: Results) -> None:
    RESULTS.mkdir(exist_ok=True)
    results.save(RESULTS / "throughput.json")
    write_report(results, RESULTS / "throughput.md")
    plot(results, RESULTS / "throughput.png")


def _plan(options: argparse.Namespace, contenders: Sequence[Contender]) -> Plan:
    return Plan(
        contenders=contenders,
        workloads=[name for name in WORKLOADS if name in options.workloads],
        connections=sorted(options.connections),
        rounds=2 if options.quick else options.rounds,
        timing=Timing(seconds=1 if options.quick else options.seconds),
        workers=options.workers,
    )


def _chosen(contenders: Sequence[Contender], names: Sequence[str] | None) -> Sequence[Contender]:
    if names is None:
        return contenders
    known = {contender.name for contender in contenders}
    if unknown := set(names) - known:
        raise UnknownContenderError(f"no contender is called {', '.join(sorted(unknown))}; --list prints their names")
    return [contender for contender in contenders if contender.name in {REFERENCE, *names}]


def _playable(contenders: Sequence[Contender]) -> Sequence[Contender]:
    if not any(contender.through_pgbouncer for contender in contenders) or install_pgbouncer():
        return contenders
    print("PgBouncer is missing: measured without those that work behind it", file=sys.stderr, flush=True)
    return [contender for contender in contenders if not contender.through_pgbouncer]


def _new_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
