"""A service whose database has a standby that takes the primary's place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.faults.network import Link
from tests.faults.servers import Postgres, place_for_postgres
from tests.faults.stack import Stack
from tests.harness.running.servers import devtools

FOLLOWS_WITHIN = 30.0  # seconds

_FOLLOWS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"


class PairedStack(Stack):
    """A primary, and a standby that has all that is acknowledged, both named in the URL.

    Behind PgBouncer the URL names PgBouncer, and that an address which moves with the primary, as a virtual one does.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._standby: Postgres
        self._address = Link(("127.0.0.1", 0))
        self._console = ""

    @contextmanager
    def servers(self) -> Iterator[Postgres]:
        """Run the primary, and have a place for the standby."""
        with super().servers() as primary, place_for_postgres(devtools("postgres")) as self._standby:
            self._address.target = ("127.0.0.1", primary.port)
            self.run(self._address.mend())
            try:
                yield primary
            finally:
                self.run(self._address.close())

    @property
    def standby(self) -> Postgres:
        return self._standby

    def follow(self) -> None:
        """Make the standby anew, from what the primary holds, and let the primary wait for it from then on."""
        self.standby.forget()
        self.standby.start(copy_of=self.postgres)
        with self.postgres.connect() as primary:
            # The copy knows nothing of it, so that it waits for nobody when it is the primary.
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            deadline = time.monotonic() + FOLLOWS_WITHIN
            while primary.execute(_FOLLOWS).fetchone() != (1,):
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.02)

    def promote(self) -> Postgres:
        """Let the standby take the place of the primary; return who was that."""
        old = self.postgres
        with self.standby.connect() as connection:
            connection.execute("SELECT pg_promote()")
        self.database, self._standby = self.standby, old
        self._address.target = ("127.0.0.1", self.postgres.port)
        if self.combination.pool == "pgbouncer":
            with psycopg.connect(self._console, autocommit=True) as console:
                console.execute("RECONNECT")
        return old

    def start_bouncer(self) -> None:
        """Start PgBouncer, which reaches the primary by the address that moves."""
        self._console = self._start_bouncer_to(self._address.port, admin_users="postgres").url("pgbouncer")

    @property
    def pools(self) -> int:
        """How many each worker has: one for each server is for reading."""
        return 3

    @property
    def environment(self) -> dict[str, str]:
        """The service's settings. It reads at whichever of the two is the standby."""
        servers = ",".join(f"127.0.0.1:{each.port}" for each in (self.postgres, self.standby))
        return {**super().environment, "DATABASE_READ_URL": f"postgresql://postgres@{servers}/service"}

    @property
    def _hosts(self) -> str:
        if self.combination.pool == "pgbouncer":
            return super()._hosts
        first, second = sorted((self.postgres.port, self.standby.port))
        return f"127.0.0.1:{first},127.0.0.1:{second}/service?target_session_attrs=read-write"
