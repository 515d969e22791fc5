"""What the template sets out to reach: ratios between two contenders of one run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from benchmarks.contenders import WORKLOADS
from benchmarks.handwritten import REFERENCE
from benchmarks.results import Results
from benchmarks.workloads import EXPORT

DEFAULT = "asyncpg-queue-repository"
DIRECT = "asyncpg-queue-direct"
REPOSITORY_COST = 1.03
"""What repositories may cost: processor time, by that of queries beside the endpoints."""

_REQUESTS = ("get", "list", "post", "patch")
_READS, _WRITES = _REQUESTS[:2], _REQUESTS[2:]
_MANY_CONNECTIONS = 256


@dataclass(frozen=True)
class Target:
    """A contender is to have at least a share of another's throughput.

    Attributes:
        contender: Whose throughput it is about.
        other: With whom it is compared.
        share: The least ratio.
        workloads: For which it is meant.
    """

    contender: str
    other: str
    share: float
    workloads: tuple[str, ...] = WORKLOADS


def targets(results: Results) -> list[Target]:
    """The targets for whoever took part."""
    peers = [name for name, (kind, _) in results.contenders.items() if kind in {"article", "peer"}]
    every = [
        Target(DEFAULT, REFERENCE, 0.55, _READS),
        Target(DEFAULT, REFERENCE, 0.5, _WRITES),
        *(Target(DEFAULT, peer, 3) for peer in peers),
        Target(DEFAULT, DIRECT, 0.97),
        Target("psycopg-queue-repository", DEFAULT, 0.75),
        Target("asyncpg-pgbouncer-repository", DEFAULT, 0.75),
        Target("psycopg-pgbouncer-repository", "psycopg-queue-repository", 0.75),
        Target(DEFAULT, "core-asyncpg", 2, ("bulk",)),
        Target("psycopg-queue-repository", "core-psycopg", 2, ("bulk",)),
        Target(DEFAULT, "core-asyncpg", 0.9, (EXPORT,)),
    ]
    return [target for target in every if {target.contender, target.other} <= results.contenders.keys()]


def lowest_ratio(results: Results, target: Target, workload: str) -> tuple[float, int] | None:
    """The lowest ratio of the two, and with how many connections that is; None if they were not both measured."""
    if workload not in target.workloads:
        return None
    found = [
        (ratio.median, connections)
        for connections in results.connections(workload)
        if (ratio := results.ratio(target.contender, workload, connections, to=target.other))
    ]
    return min(found, default=None)


def highest_latency_ratio(results: Results, workload: str) -> float | None:
    """The default's 99th percentile by that of the reference at many connections; at most 1 is the target."""
    shares = results.shares(DEFAULT, workload, _MANY_CONNECTIONS, "p99_ms")
    return median(shares.values()) if shares else None


def processor_ratio(results: Results, workload: str) -> float | None:
    """The default's processor time for an answer by that of the same service without repositories."""
    own, others = (results.processor_us(name, workload) for name in (DEFAULT, DIRECT))
    return median(own[turn] / others[turn] for turn in own.keys() & others.keys()) if own and others else None
