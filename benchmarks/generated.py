"""The services of this template: every combination on PostgreSQL, rendered from the working tree."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders import Command, Contender, Start
from benchmarks.interpreter import find_python
from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import serving_command
from tests.harness.running.services import Service

SETTINGS = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
"""What a service in production logs. Metrics and request ids cannot be switched off."""


def generated(template: Template) -> list[Contender]:
    """Each plain combination that has the example and works on PostgreSQL, the default first."""
    chosen = [each for each in combinations() if each.example and each.uses_postgres and not each.further]
    return [_contender(template, each) for each in chosen]


def service_in(folder: Path) -> Service:
    """A service that is not there before it is installed."""
    return Service(folder / "service", folder / "environment", find_python())


def install(template: Template, combination: Combination, service: Service) -> None:
    """Render a combination and install it as its image does: without what is for development only."""
    template.render_to(service.folder, combination.answers)
    service.install("--no-dev", "--no-editable")


def start_of(service: Service) -> Start:
    """Tell how to start an installed service: by the command of its image."""
    return lambda place: Command(
        words=tuple(serving_command(service, place.port, place.workers)),
        folder=service.folder,
        variables={**SETTINGS, "DATABASE_URL": place.database_url},
    )


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
