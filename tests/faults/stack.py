"""A service with everything around it: two workers, a server of its own, PgBouncer where it was chosen, a network."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

import psutil

from tests.faults.ledger import Row, Tables
from tests.faults.network import Link
from tests.faults.servers import Postgres, own_postgres
from tests.harness.rendering.combinations import Combination
from tests.harness.rendering.questions import ROOT
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import LiveService, installed, migrate, serve
from tests.harness.running.processes import free_port
from tests.harness.running.servers import devtools
from tests.harness.running.services import Environments, Service

T = TypeVar("T")

WORKERS = 2

POOL = 5
"""Connections of each worker at most."""

TIMEOUTS = {
    "DATABASE_POOL_TIMEOUT": 0.5,
    "DATABASE_CONNECT_TIMEOUT": 1.0,
    "DATABASE_LOCK_TIMEOUT": 0.3,
    "DATABASE_STATEMENT_TIMEOUT": 0.6,
    "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT": 1.0,
    "DATABASE_RESPONSE_GRACE": 0.6,
}
"""Seconds, shorter than in production, so that a test need not wait as long."""

BOUND = 8.0
"""Seconds within which every request is answered, as ``docs/operations.md`` reckons: the wait for its turn (0.5), for
the answer of a kept connection (1.2) and for the end of that (2), for a new connection (1), its answer and its end."""

SECRET = "sw0rdf1sh"  # noqa: S105 - nobody checks it
PASSWORD = f"{SECRET}/%"
"""Of the database: no part of it must be seen anywhere, escaped as in a URL or not."""

UNENCRYPTED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients: each would otherwise load all certificates, which takes longer than many requests."""

SPARE = 3
"""Files and sockets that a worker may have open more than before, such as for a client that is just leaving."""

SETTLED_WITHIN = 20.0  # seconds

_CONNECTIONS = """
    SELECT state, query FROM pg_stat_activity
    WHERE datname = 'service' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

LIMITS: dict[str, dict[str, object]] = {
    "queue": {"DATABASE_POOL_SIZE": POOL},
    "pgbouncer": {"DATABASE_POOL_SIZE": POOL},
    "null": {"DATABASE_MAX_CONNECTIONS": POOL},
}

_BANK = ROOT / "tests" / "faults" / "bank"


class Stack:
    """A service at work, and what a fault can be done to."""

    def __init__(
        self,
        combination: Combination,
        service: Service,
        work: asyncio.AbstractEventLoop,
        settings: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.combination = combination
        self.settings = settings
        self.service = service
        self.database: Postgres | Path
        self.network: Link | None = None
        self.live: LiveService
        self._port = free_port()
        self._loop = work
        self._bouncer = ExitStack()
        self._serving = ExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop on which the network runs, and wait for its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def servers(self) -> AbstractContextManager[Postgres]:
        """Run what the database needs, and give the server that it is on."""
        return own_postgres(devtools("postgres"))

    @property
    def postgres(self) -> Postgres:
        assert isinstance(self.database, Postgres)
        return self.database

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that serve requests."""
        return [each for each in self.live.process.descendants() if _serves(each)]

    @property
    def errors(self) -> str:
        """What the service has logged as errors, the newest last."""
        lines = [line for line in self.live.output.splitlines() if '"level": "error"' in line]
        return "\n".join(lines[-5:]).replace("\\n", "\n")

    @property
    def repetitions(self) -> str:
        """What the service has logged of requests that it has repeated."""
        return "\n".join(line for line in self.live.output.splitlines() if '"request_repeated"' in line)

    def start_serving(self) -> None:
        """Start the service, on the same port as before."""
        self.live = self._serving.enter_context(serve(self.service, self.environment, workers=WORKERS, port=self._port))
        self.wait_until_complete()

    def wait_until_complete(self) -> None:
        """Wait until every worker serves. One that was started a moment ago still opens the files that it needs."""
        self.live.process.wait_for("all workers", self._is_complete)

    def stop_serving(self) -> None:
        """Stop it in good order."""
        self._serving.close()

    def start_bouncer(self) -> None:
        """Start PgBouncer, and lead the network to it."""
        self._start_bouncer_to(self.postgres.port)

    def _start_bouncer_to(self, port: int, **options: str) -> Any:
        pgbouncer = devtools("pgbouncer")
        running = pgbouncer.running("127.0.0.1", port, pool_size=POOL, options=options)
        bouncer = self._bouncer.enter_context(running)
        assert self.network is not None
        self.network.target = (bouncer.host, bouncer.port)
        return bouncer

    def stop_bouncer(self) -> None:
        """Kill PgBouncer."""
        self._bouncer.close()

    def tables(self) -> Tables:
        """What the database holds, read past the service and the network."""
        heroes, accounts, transfers = self.query(
            "SELECT id, name, age, version, deleted_at IS NOT NULL FROM hero",
            "SELECT id, balance FROM account",
            "SELECT name, source, target, amount FROM transfer",
        )
        return Tables([Row(row[0], row[1], row[2], row[3], bool(row[4])) for row in heroes], dict(accounts), transfers)

    def settle(self) -> list[str]:
        """Wait until nobody works for the service any more; tell who still does, and connections beyond its budget."""
        if not isinstance(self.database, Postgres):
            return []
        # One more of each is for health checks.
        own = POOL if self.combination.pool == "pgbouncer" else (POOL + 1) * WORKERS
        budget = own + (self.pools - 1) * (POOL + 1) * WORKERS
        deadline = time.monotonic() + SETTLED_WITHIN
        while True:
            (rows,) = self.query(_CONNECTIONS)
            busy = [f"{state}: {query}" for state, query in rows if state != "idle"]
            too_many = [f"{len(rows)} connections, of {budget}"] if len(rows) > budget else []
            if not [*busy, *too_many] or time.monotonic() > deadline:
                return [*busy, *too_many]
            time.sleep(0.05)

    @property
    def pools(self) -> int:
        """How many pools each worker has."""
        return 1

    @property
    def descriptors_of_pool(self) -> int:
        """How many files or sockets one worker may have open for connections: SQLite has three files for each."""
        return SPARE + POOL * (self.pools if self.combination.uses_postgres else 3)

    def descriptors(self) -> dict[int, int]:
        """How many files and sockets each worker has open."""
        return {worker.pid: worker.num_fds() for worker in self.workers}

    def query(self, *statements: str) -> Sequence[Sequence[Any]]:
        """Ask the database itself."""
        if isinstance(self.database, Postgres):
            with self.database.connect() as connection:
                return [connection.execute(statement).fetchall() for statement in statements]
        with closing(sqlite3.connect(self.database)) as connection:
            return [connection.execute(statement).fetchall() for statement in statements]

    def _is_complete(self) -> bool:
        output = self.live.output
        started = [each for each in self.workers if f"Started server process [{each.pid}]" in output]
        return len(started) == WORKERS

    @property
    def environment(self) -> dict[str, str]:
        """The service's settings."""
        if isinstance(self.database, Path):
            url = f"sqlite:///{self.database}"
            values: dict[str, object] = LIMITS[self.combination.pool]
        else:
            url = f"postgresql://postgres:{quote(PASSWORD, safe='')}@{self._hosts}"
            values = {**TIMEOUTS, **LIMITS[self.combination.pool]}
        return {"DATABASE_URL": url, **{name: str(value) for name, value in {**values, **self.settings}.items()}}

    @property
    def _hosts(self) -> str:
        """Where the service finds the database, as it stands in a URL."""
        assert self.network is not None
        return f"127.0.0.1:{self.network.port}/service"

    def migrate(self) -> None:
        """Bring the database to the newest revision."""
        url = self.database.url if isinstance(self.database, Postgres) else f"sqlite:///{self.database}"
        migrate(self.service, {"DATABASE_URL": url})

    async def close(self) -> None:
        if self.network is not None:
            await self.network.close()


@contextmanager
def stack_of(
    combination: Combination,
    template: Template,
    environments: Environments,
    folder: Path,
    make: Callable[[Combination, Service, asyncio.AbstractEventLoop], Stack] = Stack,
) -> Iterator[Stack]:
    """Make a service that has accounts as well as heroes, with all that it needs, and serve it."""
    with ExitStack() as parts:
        service = parts.enter_context(installed(template, environments, folder / "service", combination.answers))
        open_a_bank(service.folder, postgres=combination.uses_postgres)
        stack = make(combination, service, parts.enter_context(_loop_in_a_thread()))
        if combination.uses_postgres:
            stack.database = parts.enter_context(stack.servers())
            stack.network = Link(("127.0.0.1", stack.database.port))
            stack.run(stack.network.mend())
            parts.callback(lambda: stack.run(stack.close()))
            if combination.pool == "pgbouncer":
                stack.start_bouncer()
                parts.callback(stack.stop_bouncer)
        else:
            stack.database = folder / "service.db"
        stack.migrate()
        stack.start_serving()
        parts.callback(stack.stop_serving)
        yield stack


def _serves(process: psutil.Process) -> bool:
    """Whether this is a worker, and not one that was killed a moment ago."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(process.cmdline())
    return False


def open_a_bank(service: Path, *, postgres: bool) -> None:
    """Add the domain of accounts to a service, as its owner would."""
    shutil.copytree(_BANK, service, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    versions = service / "src/app/migrations/versions"
    *_, newest, migration = sorted(versions.glob("0*.py"))
    previous = re.search(r'^revision: str = (".*")$', newest.read_text(encoding="utf-8"), re.MULTILINE)
    assert previous, f"{newest.name} has no revision"
    text = migration.read_text(encoding="utf-8").replace("PREVIOUS", previous[1])
    key = "sa.BigInteger(), sa.Identity()" if postgres else "sa.Integer()"
    migration.write_text(text.replace("PRIMARY_KEY", key), encoding="utf-8")
    routers = service / "src/app/routers.py"
    text = routers.read_text(encoding="utf-8")
    text = text.replace("from app.heroes", "from app.accounts.endpoints import router as accounts\nfrom app.heroes", 1)
    routers.write_text(text.replace("    heroes,\n", "    accounts,\n    heroes,\n"), encoding="utf-8")


@contextmanager
def _loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="network and clients")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
