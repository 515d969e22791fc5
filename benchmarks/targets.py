"""What the template sets out to reach: ratios between two contenders of one run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from benchmarks.contenders import WORKLOADS
from benchmarks.handwritten import REFERENCE
from benchmarks.results import Results
from benchmarks.workloads import EXPORT

DEFAULT = "asyncpg-queue-repository"
DIRECT = "asyncpg-queue-direct"
REPOSITORY_COST = 1.03
"""What repositories may cost: processor time, by that of queries beside the endpoints."""

_REQUESTS = ("get", "list", "post", "patch")
_MANY_CONNECTIONS = 256

_OF_REFERENCE = {"get": 0.65, "list": 0.80, "post": 0.58, "patch": 0.60, "bulk": 0.75}
_EXPORT_OF_REFERENCE = 0.85
"""By processor time: one client with a socket of its own keeps a fast contender waiting."""


@dataclass(frozen=True)
class Target:
    """A contender is to have at least a share of what another has.

    Attributes:
        contender: Whom it is about.
        other: With whom it is compared.
        share: The least ratio of throughput, or of what the other takes of processor time to what this one takes.
        workloads: For which it is meant.
        by_processor: Whether it is about processor time.
        beside_reference: Whether the reference is to stand beside it: how far it is from the other, nobody can beat.
    """

    contender: str
    other: str
    share: float
    workloads: tuple[str, ...] = WORKLOADS
    by_processor: bool = False
    beside_reference: bool = False


class Found(NamedTuple):
    """What was measured of a target.

    Attributes:
        ratio: At the usual number of connections.
        worst: At the number of connections where it is lowest, and that number; none of processor time.
        of_reference: What the reference has of the same, where it is to stand beside.
    """

    ratio: float
    worst: tuple[float, int] | None = None
    of_reference: float | None = None


def targets(results: Results) -> list[Target]:
    """The targets for whoever took part."""
    peers = [name for name, (kind, _) in results.contenders.items() if kind in {"article", "peer"}]
    every = [
        *(Target(DEFAULT, REFERENCE, share, (workload,)) for workload, share in _OF_REFERENCE.items()),
        Target(DEFAULT, REFERENCE, _EXPORT_OF_REFERENCE, (EXPORT,), by_processor=True),
        *(Target(DEFAULT, peer, 3, beside_reference=True) for peer in peers),
        Target("psycopg-queue-repository", DEFAULT, 0.80),
        *(
            Target(f"{driver}-pgbouncer-repository{role}", f"{driver}-queue-repository", 0.75)
            for driver in ("asyncpg", "psycopg")
            for role in ("-role", "")
        ),
        Target(DEFAULT, "core-asyncpg", 2, ("bulk",)),
        Target("psycopg-queue-repository", "core-psycopg", 2, ("bulk",)),
        Target(DEFAULT, "core-asyncpg", 0.9, (EXPORT,)),
    ]
    return [target for target in every if {target.contender, target.other} <= results.contenders.keys()]


def found(results: Results, target: Target, workload: str) -> Found | None:
    """What was measured of a target; None if the two were not both measured, or had errors."""
    if workload not in target.workloads:
        return None
    if target.by_processor:
        times = processor_ratio(results, workload, target.other, target.contender)
        return None if times is None else Found(times)
    usual = results.usual_connections(workload)
    measured = {
        connections: ratio.median
        for connections in results.connections(workload)
        if (ratio := results.ratio(target.contender, workload, connections, to=target.other))
    }
    if usual not in measured:
        return None
    of_reference = results.ratio(REFERENCE, workload, usual, to=target.other) if target.beside_reference else None
    worst = min((ratio, connections) for connections, ratio in measured.items())
    return Found(measured[usual], worst, of_reference.median if of_reference else None)


def highest_latency_ratio(results: Results, workload: str) -> float | None:
    """The default's 99th percentile by that of the reference at many connections; at most 1 is the target."""
    shares = results.shares(DEFAULT, workload, _MANY_CONNECTIONS, "p99_ms")
    return median(shares.values()) if shares else None


def processor_ratio(results: Results, workload: str, one: str = DEFAULT, other: str = DIRECT) -> float | None:
    """One contender's processor time for an answer, or for a row of an export, by another's."""
    own, others = (results.processor_us(name, workload) for name in (one, other))
    return median(own[turn] / others[turn] for turn in own.keys() & others.keys()) if own and others else None
