"""What all contenders of a run share: the server with its databases, PgBouncer, and the folder of the run."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from benchmarks.contenders import Bouncer, Contender, Place, Start
from benchmarks.database import EXPORTED_HEROES, HEROES, fill
from benchmarks.generated import install, server_parameters
from benchmarks.handwritten import install_drivers
from benchmarks.progress import Progress
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import migrate
from tests.harness.running.processes import free_port
from tests.harness.running.servers import scratch_database
from tests.harness.running.services import Service

_BOUNCER_CONNECTIONS = 10
"""As many as a contender without PgBouncer has in its own pool."""


@dataclass
class Arena:
    """Where contenders compete.

    Attributes:
        folder: What this run needs for its duration.
        database_url: The database of the short requests.
        export_url: The large one, only for exports; empty if there are none.
        bouncer_urls: Each gives the address of a database behind one of those PgBouncers that contenders asked for.
        starts: What starts each contender, by name.
        heroes: How many the database of the short requests holds.
    """

    folder: Path
    database_url: str
    export_url: str
    bouncer_urls: Mapping[Bouncer, Callable[[str], str]]
    starts: dict[str, Start] = field(default_factory=dict)
    heroes: int = HEROES

    def prepare(self, contender: Contender) -> None:
        """Make a contender ready to be started."""
        folder = self.folder / "contenders" / contender.name
        folder.mkdir(parents=True)
        self.starts[contender.name] = contender.prepare(folder)

    def place(self, contender: Contender, *, workers: int = 1, exported: bool = False) -> Place:
        """A free place for a contender, on the database of the short requests or on that of the exports."""
        url = self.export_url if exported else self.database_url
        if contender.bouncer is not None:
            url = self.bouncer_urls[contender.bouncer](_database_name(url))
        return Place(url, free_port(), workers)

    def cursors(self, contender: Contender) -> Path:
        """The file for the cursors that a contender has handed out."""
        return self.folder / f"{contender.name}-{self.heroes}.cursors"


@contextmanager
def open_arena(  # noqa: PLR0913 - all that a run begins with
    folder: Path,
    template: Template,
    service: Service,
    contenders: Sequence[Contender],
    progress: Progress,
    *,
    exports: bool = False,
) -> Iterator[Arena]:
    """Make and fill the databases, start PgBouncer if one of the contenders is to work behind it, and prepare all.

    Args:
        folder: A folder of this run.
        template: Makes the services.
        service: Where one is installed, whose migrations make the tables and in which the hand-written ones run.
        contenders: Who will take part.
        progress: Is told what happens.
        exports: Whether the large table is needed.
    """
    progress.say("installing an example, and filling the databases")
    install(template, combinations()[0], service)
    install_drivers(service)
    with ExitStack() as stack:
        url = stack.enter_context(filled_database(service, HEROES))
        export_url = stack.enter_context(filled_database(service, EXPORTED_HEROES)) if exports else ""
        bouncer_urls = {
            bouncer: stack.enter_context(_bouncer(url, *stack.enter_context(user(service, url)))).url
            for bouncer, user in _USERS.items()
            if any(contender.bouncer == bouncer for contender in contenders)
        }
        arena = Arena(folder, url, export_url, bouncer_urls)
        for contender in contenders:
            progress.say(f"preparing {contender.name}")
            arena.prepare(contender)
        yield arena


@contextmanager
def filled_database(service: Service, heroes: int) -> Iterator[str]:
    """Make a database with so many heroes; it is dropped at the end of the block."""
    with scratch_database() as url:
        migrate(service, {"DATABASE_URL": url})
        fill(url, heroes)
        yield url


def _bouncer(server_url: str, user: str, password: str) -> AbstractContextManager[Any]:
    """Run a PgBouncer in front of a server, as which it connects as a user."""
    server, module = urlsplit(server_url), importlib.import_module("devtools.pgbouncer")
    running: AbstractContextManager[Any] = module.running(
        server.hostname, server.port, user=user, password=password, pool_size=_BOUNCER_CONNECTIONS
    )
    return running


@contextmanager
def _given_user(_service: Service, url: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(url)
    yield unquote(parts.username or "postgres"), unquote(parts.password or "")


@contextmanager
def _carrying_role(service: Service, url: str) -> Iterator[tuple[str, str]]:
    """Make a role that sets the parameters on which a service relies, and that may do what the given one may.

    It is dropped at the end of the block.
    """
    name, password = f"carrying_{uuid.uuid4().hex}", uuid.uuid4().hex
    role = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
        try:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(connection.info.user), role))
            for parameter, value in server_parameters(service, url).items():
                change = sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(parameter), value)
                connection.execute(change)
            yield name, password
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


_USERS: Mapping[Bouncer, Callable[[Service, str], AbstractContextManager[tuple[str, str]]]] = {
    "plain": _given_user,
    "carrying": _carrying_role,
}
"""Gives the name and the password of the user as whom each PgBouncer connects."""


def _database_name(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))
