"""The services of this template: every combination on PostgreSQL, rendered from the working tree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import Command, Contender, Start
from benchmarks.interpreter import VERSIONS, find_python
from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import serving_command
from tests.harness.running.services import Service

SETTINGS = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
"""What a service in production logs. Metrics and request ids cannot be switched off."""


class Way(NamedTuple):
    """Another way to run the same service.

    Attributes:
        description: What the legend says about it.
        variables: Settings that differ.
        words: What is added to the command of the image.
        pythons: The versions of which it takes the first that is installed; by default those of everybody.
    """

    description: str
    variables: Mapping[str, str] = {}
    words: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()


_USUAL = Way("")
_BY_ROLE = Way(", as a role that carries its parameters")
_ON_REQUEST = {
    "unprepared": Way(", no prepared queries", {"DATABASE_PREPARED_QUERIES": "false"}),
    "asyncio": Way(", the loop of asyncio", words=("--loop", "asyncio")),
    "h11": Way(", the parser h11", words=("--http", "h11")),
    **{
        f"python{version}": Way(f", Python {version}", pythons=(version,))
        for version in ("3.11", "3.12", "3.13", "3.14")
    },
}
"""Ways that are measured where they are named, beside the default."""

_SERVER_PARAMETERS = """\
import json
from app.settings import Settings
print(json.dumps(Settings().server_parameters))
"""


def generated(template: Template) -> list[Contender]:
    """The plain combinations that have the example and work on PostgreSQL, the default first.

    Queries beside the endpoints only with the default driver and pool: what they take does not depend on those. Behind
    PgBouncer each works once more as a role that carries its parameters. Other ways to run a repository with a queue
    take part on request.
    """
    plain = [each for each in combinations() if each.example and each.uses_postgres and not each.further]
    chosen = [each for each in plain if each.group == "asyncpg-queue" or each.data_access == "repository"]
    return [contender for each in chosen for contender in _ways_of(template, each)]


def _ways_of(template: Template, combination: Combination) -> list[Contender]:
    usual = _contender(template, combination)
    if combination.pool == "pgbouncer":
        by_role = _contender(template, combination, "role", _BY_ROLE)
        return [replace(usual, bouncer="plain"), replace(by_role, bouncer="carrying")]
    further = _ON_REQUEST if combination.pool == "queue" and combination.data_access == "repository" else {}
    others = [_contender(template, combination, name, way) for name, way in further.items()]
    return [usual, *(replace(each, on_request=True) for each in others)]


def service_in(folder: Path, pythons: Sequence[str] = ()) -> Service:
    """A service that is not there before it is installed, on one of these Pythons or on that of all contenders."""
    return Service(folder / "service", folder / "environment", find_python(pythons or VERSIONS))


def install(template: Template, combination: Combination, service: Service) -> None:
    """Render a combination and install it as its image does: without what is for development only."""
    template.render_to(service.folder, combination.answers)
    service.install("--no-dev", "--no-editable")


def start_of(service: Service, way: Way = _USUAL) -> Start:
    """Tell how to start an installed service: by the command of its image."""
    return lambda place: Command(
        words=(*serving_command(service, place.port, place.workers), *way.words),
        folder=service.folder,
        variables={**SETTINGS, **way.variables, "DATABASE_URL": place.database_url},
    )


def server_parameters(service: Service, database_url: str) -> dict[str, str]:
    """Ask an installed service which parameters of the server it relies on."""
    asked = service.run(
        service.program("python"), "-c", _SERVER_PARAMETERS, env={**SETTINGS, "DATABASE_URL": database_url}
    )
    parameters: dict[str, str] = json.loads(asked.output)
    return parameters


def _contender(template: Template, combination: Combination, name: str = "", way: Way = _USUAL) -> Contender:
    def prepare(folder: Path) -> Start:
        service = service_in(folder, way.pythons)
        install(template, combination, service)
        return start_of(service, way)

    return Contender(
        name="-".join(filter(None, (combination.group, combination.data_access, name))),
        description=f"generated: {combination.driver}, pool {combination.pool}, "
        f"{combination.data_access}{way.description}",
        prepare=prepare,
        kind="generated",
    )
