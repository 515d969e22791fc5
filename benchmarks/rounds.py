"""Rounds: within each, all contenders take turns at every load, and the reference has a turn again and again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.arena import Arena
from benchmarks.contenders import Contender
from benchmarks.database import EXPORTED_HEROES, reset
from benchmarks.exports import read_export
from benchmarks.handwritten import REFERENCE
from benchmarks.progress import Progress
from benchmarks.results import USUAL_CONNECTIONS, Footprint, Measurement, Results
from benchmarks.serving import serve
from benchmarks.workloads import EXPORT, LOADS, TITLES, Timing, measure

_HEAT = 3
"""How many contenders have their turns between two of the reference."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        contenders: In the order of the tables, the reference among them.
        workloads: Their names.
        connections: How many clients ask at the same time.
        rounds: How often.
        timing: How long each measurement takes.
        workers: Processes of each contender.
    """

    contenders: Sequence[Contender]
    workloads: Sequence[str]
    connections: Sequence[int]
    rounds: int
    timing: Timing
    workers: int

    def loads(self, number: int) -> list[tuple[str, int]]:
        """Each load of wrk in a round: the workload and the number of connections.

        One round of four, the first among them, has all numbers of connections; the others have the usual one, at which
        all is compared.
        """
        has_all = number % 4 == 1 or USUAL_CONNECTIONS not in self.connections
        chosen = self.connections if has_all else [USUAL_CONNECTIONS]
        return [
            (name, connections)
            for name in self.workloads
            if name in LOADS
            for connections in LOADS[name].connections or chosen
        ]

    def steps(self) -> int:
        """How many measurements that makes."""
        exports = [name for name in self.workloads if name == EXPORT]
        return sum(
            len(self.turns(number, name))
            for number in range(1, self.rounds + 1)
            for name in [name for name, _ in self.loads(number)] + exports
        )

    def turns(self, number: int, workload: str) -> list[Contender]:
        """Who takes part, in the order of a round; every other one goes backwards.

        The reference comes first, last, and after every few others: a shared machine is fast in one minute and slow in
        the next, so what others serve has to be compared with what the reference served just before and after.
        """
        reference = next(each for each in self.contenders if each.name == REFERENCE)
        others = [each for each in self.contenders if each is not reference and workload in each.workloads]
        if number % 2 == 0:
            others.reverse()
        turns = [reference]
        for first in range(0, len(others), _HEAT):
            turns += [*others[first : first + _HEAT], reference]
        return turns


def play(plan: Plan, number: int, arena: Arena, results: Results, progress: Progress) -> None:
    """Play one round, and add what it measures to the results."""
    if plan.loads(number):
        _loads(plan, number, arena, results, progress)
    if EXPORT in plan.workloads:
        _exports(plan, number, arena, results, progress)


def _loads(plan: Plan, number: int, arena: Arena, results: Results, progress: Progress) -> None:
    reset(arena.database_url)
    with ExitStack() as stack:
        served = {}
        for contender in plan.contenders:
            if not set(contender.workloads) & set(LOADS):
                continue
            place = arena.place(contender, workers=plan.workers)
            served[contender.name] = stack.enter_context(serve(contender, arena.starts[contender.name], place))
        for workload, connections in plan.loads(number):
            for contender in plan.turns(number, workload):
                each = served[contender.name]
                results.measurements.append(
                    measure(number, workload, each, arena, connections=connections, timing=plan.timing)
                )
                progress.show(
                    contender.name, f"{TITLES[workload]}, {connections} connections", results.measurements[-1]
                )
        for name, each in served.items():
            results.footprints.append(Footprint(number, name, each.start_seconds, each.memory()))


def _exports(plan: Plan, number: int, arena: Arena, results: Results, progress: Progress) -> None:
    for contender in plan.turns(number, EXPORT):
        place = arena.place(contender, exported=True)
        with serve(contender, arena.starts[contender.name], place) as served:
            export = read_export(served, EXPORTED_HEROES)
        results.measurements.append(
            Measurement(
                turn=number,
                contender=contender.name,
                workload=EXPORT,
                connections=1,
                per_second=export.rows_per_second,
                errors=export.missing,
                growth=export.growth,
                processor_us=export.processor_us,
            )
        )
        progress.show(contender.name, TITLES[EXPORT], results.measurements[-1])
