"""The services in :mod:`benchmarks.apps`: the limit that the driver sets, and what popular articles teach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import WORKLOADS, Command, Contender, Kind, Place, Start
from tests.harness.rendering.questions import ROOT
from tests.harness.running.live_service import HOST
from tests.harness.running.services import Service

REFERENCE = "raw_fastapi"
"""The contender that all others are compared with."""


@dataclass(frozen=True)
class _App:
    """One of the modules, and how it is served.

    Attributes:
        name: The contender's name.
        description: What the legend says about it.
        kind: Its group.
        module: Where its application is.
        dialect: What its database URL begins with.
        workloads: What it can do.
    """

    name: str
    description: str
    kind: Kind
    module: str
    dialect: str
    workloads: tuple[str, ...] = WORKLOADS


_BY_CORE = ("bulk", "export")

_APPS = (
    _App(
        REFERENCE,
        "FastAPI with hand-written SQL on an asyncpg pool of 10, garbage collector tuned",
        "limit",
        "raw_fastapi",
        "postgresql",
    ),
    _App("bare_asgi", "the same SQL behind a bare ASGI function, no framework", "limit", "bare_asgi", "postgresql"),
    _App("core-asyncpg", "Core `insert()` and partitions, asyncpg", "core", "core", "postgresql+asyncpg", _BY_CORE),
    _App("core-psycopg", "Core `insert()` and partitions, psycopg", "core", "core", "postgresql+psycopg", _BY_CORE),
    _App(
        "article",
        "module-level engine, pool 20+10, commit in the dependency, refresh, entities everywhere; asyncpg",
        "article",
        "article",
        "postgresql+asyncpg",
    ),
)


def handwritten(service: Service) -> list[Contender]:
    """The contenders; they run in the environment of an installed service, so their libraries are the same."""
    return [_contender(service, app) for app in _APPS]


def reference(service: Service) -> Contender:
    """The one that the others are compared with."""
    return next(each for each in handwritten(service) if each.name == REFERENCE)


def install_drivers(service: Service) -> None:
    """Add the drivers that the service itself does not use to its environment."""
    service.run("uv", "pip", "install", "--python", service.environment, "psycopg[binary]")


def _contender(service: Service, app: _App) -> Contender:
    def prepare(_folder: Path) -> Start:
        return lambda place: _command(service, app, place)

    return Contender(app.name, app.description, prepare, kind=app.kind, workloads=app.workloads)


def _command(service: Service, app: _App, place: Place) -> Command:
    return Command(
        words=(
            *(service.program("uvicorn"), f"benchmarks.apps.{app.module}:app"),
            *("--host", HOST, "--port", str(place.port), "--workers", str(place.workers)),
            *("--no-server-header", "--no-access-log"),
        ),
        folder=ROOT,
        variables={"DATABASE_URL": place.database_url.replace("postgresql", app.dialect, 1)},
    )
