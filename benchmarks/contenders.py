"""What is compared: a program that serves the heroes API, how it is made and how it is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

WORKLOADS = ("get", "list", "post", "patch", "bulk", "export")
"""The names of the workloads, in the order in which they are measured and shown."""

Kind = Literal["generated", "limit", "core", "article", "peer"]
"""Services of this template; what the driver allows; SQLAlchemy Core; what articles teach; other generators."""


@dataclass(frozen=True)
class Place:
    """Where a contender is to listen, and on which database it works.

    Attributes:
        database_url: ``postgresql://user@host:port/name``, of PgBouncer if the contender asked for it. The role has no
            password. The database holds the tables of the example, with heroes and teams in them.
        port: The port on 127.0.0.1.
        workers: How many processes serve.
    """

    database_url: str
    port: int
    workers: int = 1


@dataclass(frozen=True)
class Command:
    """What starts a contender: words for no shell, where it runs, and variables on top of a clean environment."""

    words: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)


Bouncer = Literal["plain", "carrying"]
"""A PgBouncer in transaction mode: whether the role as which it connects carries a service's parameters."""

Start = Callable[[Place], Command]
"""Tells how to start a prepared contender at a place. May be called often, also for several places at once."""


@dataclass(frozen=True)
class Contender:
    """One row of the tables.

    Attributes:
        name: What it is called there, and after ``--only``.
        description: What it is, on one line, for the legend.
        prepare: Makes it ready once per run: renders, generates, installs. It is given a folder of its own that
            exists and is empty, and which is removed after the run.
        kind: Which group it belongs to, see :data:`Kind`.
        workloads: What it takes part in.
        prefix: What stands before ``/heroes`` in its paths, such as ``/api``.
        alive: The path that answers 200 as soon as it serves, without the prefix.
        bouncer: Through which PgBouncer its database is reached, if through any.
        on_request: Whether it takes part only where it is named after ``--only``.
    """

    name: str
    description: str
    prepare: Callable[[Path], Start]
    kind: Kind = "peer"
    workloads: tuple[str, ...] = WORKLOADS
    prefix: str = ""
    alive: str = "/health/live"
    bouncer: Bouncer | None = None
    on_request: bool = False
