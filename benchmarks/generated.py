"""The services of this template: every combination on PostgreSQL, rendered from the working tree."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.contenders import Command, Contender, Place, Start
from tests.harness.combinations import Combination, combinations
from tests.harness.live_service import HOST, command_of_image
from tests.harness.rendering import Template
from tests.harness.services import Service

SETTINGS = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
"""What a service in production logs. Metrics and request ids cannot be switched off."""


def generated(template: Template) -> list[Contender]:
    """Each combination that has the example and works on PostgreSQL, the default first."""
    return [_contender(template, each) for each in combinations() if each.example and each.uses_postgres]


def service_in(folder: Path) -> Service:
    """A service that is not there before it is installed."""
    return Service(folder / "service", folder / "environment")


def install(template: Template, combination: Combination, service: Service) -> None:
    """Render a combination and install it as its image does: without what is for development only."""
    template.render_to(service.folder, combination.answers)
    service.install("--no-dev", "--no-editable")


def start_of(service: Service) -> Start:
    """Tell how to start an installed service: by the command of its image."""
    return lambda place: _command(service, place)


def program(service: Service, name: str) -> str:
    """Where a program of the service's environment is."""
    found = shutil.which(name, path=str(service.environment / "bin"))
    if found is None:
        raise FileNotFoundError(f"{name} is not installed in {service.environment}")
    return found


def _contender(template: Template, combination: Combination) -> Contender:
    def prepare(folder: Path) -> Start:
        service = service_in(folder)
        install(template, combination, service)
        return start_of(service)

    return Contender(
        name=f"{combination.group}-{combination.data_access}",
        description=f"generated: {combination.driver}, pool {combination.pool}, {combination.data_access}",
        prepare=prepare,
        kind="generated",
        through_pgbouncer=combination.pool == "pgbouncer",
    )


def _command(service: Service, place: Place) -> Command:
    words = command_of_image(service)
    words[words.index("--host") + 1] = HOST
    words[words.index("--port") + 1] = str(place.port)
    workers = ["--workers", str(place.workers)] if place.workers > 1 else []
    return Command(
        words=(program(service, words[0]), *words[1:], *workers),
        folder=service.folder,
        variables={**SETTINGS, "DATABASE_URL": place.database_url},
    )
