"""The workloads that wrk sends: which requests, on which state of the tables."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil

from benchmarks.arena import Arena
from benchmarks.cursors import note_cursors
from benchmarks.database import EXPORTED_HEROES, HEROES, TEAMS, reset
from benchmarks.load import Load, run_wrk
from benchmarks.results import Measurement
from benchmarks.serving import Served

EXPORT = "export"
"""The one workload that is not sent by wrk; see :mod:`benchmarks.exports`."""

TITLES = {
    "get": "GET by id",
    "list": "list of 50 by keyset",
    "post": "POST",
    "patch": "PATCH with If-Match",
    "bulk": "bulk insert of 1,000",
    EXPORT: f"export of {EXPORTED_HEROES:,} rows",
}
"""What the tables call each workload."""

_CURSORS = "{cursors}"
_HEROES = "{heroes}"
_BULK_CONNECTIONS = (8,)

_LAST_MEASURED = HEROES * 9 // 10
"""The heroes behind this one are changed by the warm-up, so those before have their first version afterwards."""


@dataclass(frozen=True)
class Workload:
    """Requests of one kind, made by the script of its name in ``lua/``.

    Attributes:
        arguments: What the script is given behind the prefix.
        warm_up_arguments: The same for the warm-up, where it differs.
        writes: Whether the tables must be reset before.
        connections: The numbers that it always uses; by default those that are asked for.
    """

    arguments: tuple[object, ...]
    warm_up_arguments: tuple[object, ...] = ()
    writes: bool = False
    connections: tuple[int, ...] = ()


LOADS = {
    "get": Workload((_HEROES,)),
    "list": Workload((_CURSORS,)),
    "post": Workload((TEAMS,), writes=True),
    "patch": Workload((1, _LAST_MEASURED), warm_up_arguments=(_LAST_MEASURED + 1, HEROES), writes=True),
    "bulk": Workload((TEAMS,), writes=True, connections=_BULK_CONNECTIONS),
}
"""What wrk sends, by name."""


@dataclass(frozen=True)
class Timing:
    """How long measurements take.

    wrk counts what is answered before it stops. If that is soon, most connections have had no answer yet, or only a
    fast one; so each should have had some.

    Attributes:
        seconds: At least.
        longest: Seconds at most, also if the answers take longer.
        answers: How many there should be for each connection.
        warm_up: Seconds of the same load before.
    """

    seconds: int
    longest: int = 15
    answers: int = 5
    warm_up: int = 1

    def seconds_for(self, connections: int, per_second: float) -> int:
        """How long to measure a contender that gives so many answers in a second."""
        needed = ceil(self.answers * connections / per_second) if per_second else self.longest
        return max(self.seconds, min(needed, self.longest))


def measure(  # noqa: PLR0913 - all that a measurement depends on
    turn: int,
    name: str,
    served: Served,
    arena: Arena,
    *,
    connections: int,
    timing: Timing,
    meanwhile: AbstractContextManager[object] | None = None,
) -> Measurement:
    """Warm a contender up with one of the loads, and measure it, in the round of this number.

    What is entered meanwhile may measure something else; the warm-up does not belong to it.
    """
    workload = LOADS[name]
    if workload.writes:
        reset(arena.database_url)
    if _CURSORS in workload.arguments:
        note_cursors(served, arena)

    def run(arguments: tuple[object, ...], seconds: int) -> Load:
        known = {"cursors": arena.cursors(served.contender), "heroes": arena.heroes}
        words = [str(argument).format(**known) for argument in arguments]
        prefixed = [served.contender.prefix, *words]
        return run_wrk(served.live.url, f"{name}.lua", prefixed, connections=connections, seconds=seconds)

    warm_up = run(workload.warm_up_arguments or workload.arguments, timing.warm_up)
    served.wait_until_idle()
    before = served.processor_seconds()
    with meanwhile or nullcontext():
        load = run(workload.arguments, timing.seconds_for(connections, warm_up.per_second))
    processor_seconds = served.processor_seconds() - before
    return Measurement(
        turn=turn,
        contender=served.contender.name,
        workload=name,
        connections=connections,
        per_second=load.per_second,
        errors=load.refused + load.broken,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        processor_us=processor_seconds / load.answers * 1e6 if load.answers else None,
    )
