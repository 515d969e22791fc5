"""A PostgreSQL of one's own, to be stopped, killed and frozen."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import psycopg

from tests.harness.running.commands import supervised
from tests.harness.running.processes import free_port

OPTIONS = {
    # A crash of the server loses nothing without it, only one of the machine would.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "deadlock_timeout": "50ms",
    # A checkpoint when the server ends is all that it needs.
    "checkpoint_timeout": "1h",
}


class Postgres:
    """A server that keeps its data and its port when it is stopped."""

    def __init__(self, devtools: ModuleType, data: Path) -> None:
        self._devtools = devtools
        self._data = data
        self.port = free_port()
        self._running = ExitStack()

    def start(self, copy_of: Postgres | None = None) -> None:
        """Start it on what it held before; the first time as a standby of another one, if there is one."""
        self._running.enter_context(
            self._devtools.running(
                data=self._data, port=self.port, options=OPTIONS, copy_of=None if copy_of is None else copy_of.url
            )
        )

    def start_as_standby_of(self, primary: Postgres) -> None:
        """Start it on what it held before, to follow another one, which has all of that."""
        cluster = self._data / "cluster"
        cluster.joinpath("standby.signal").touch()
        with cluster.joinpath("postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres'\n")
        self.start()

    def forget(self) -> None:
        """Stop it, and remove what it held."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._data, ignore_errors=True)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: fast with SIGINT, at once and in need of recovery with SIGQUIT."""
        if self._data.joinpath("cluster", "postmaster.pid").exists():
            # It may have been killed.
            with suppress(psutil.NoSuchProcess):
                os.kill(self.processes[0].pid, number)
        self._running.close()

    @property
    def processes(self) -> list[psutil.Process]:
        """The server, and those who serve its connections."""
        pid = int(self._data.joinpath("cluster", "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        server = psutil.Process(pid)
        return [server, *server.children()]

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """Connect as the administrator, past everything that is between the service and the server."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            yield connection

    @property
    def url(self) -> str:
        """The database of the service."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/service"


@contextmanager
def own_postgres(devtools: ModuleType) -> Iterator[Postgres]:
    """Run a server with an empty database until the end of the block. Nothing is left of it, not even after a kill."""
    with place_for_postgres(devtools) as postgres:
        postgres.start()
        with psycopg.connect(postgres.url.replace("/service", "/postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE service")
        yield postgres


@contextmanager
def place_for_postgres(devtools: ModuleType) -> Iterator[Postgres]:
    """Have a folder for a server, which is stopped at the end of the block. Nothing is left, not even after a kill."""
    folder = Path(tempfile.mkdtemp(prefix="template-faults-"))
    # Where root runs the tests, the server has another user.
    folder.chmod(0o755)
    with folder_until_the_end(folder):
        postgres = Postgres(devtools, folder / "postgres")
        try:
            yield postgres
        finally:
            postgres.stop()


@contextmanager
def folder_until_the_end(folder: Path) -> Iterator[None]:
    """Remove a folder at the end of the block, or when this process ends in any other way."""
    with tempfile.TemporaryFile() as log:
        command = f"trap 'rm -rf {shlex.quote(str(folder))}; exit' TERM; while :; do sleep 1; done"
        with supervised(["sh", "-c", command], cwd=Path("/"), env={}, log=log):
            yield
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def frozen(processes: list[psutil.Process]) -> Iterator[None]:
    """Stop processes in the midst of what they do. They go on at the end, also if this process is killed."""
    pids = " ".join(str(process.pid) for process in processes)
    # Some may have ended since they were listed.
    command = (
        f"trap 'kill -CONT {pids}; exit' TERM; kill -STOP {pids} 2>/dev/null; echo frozen; while :; do sleep 0.1; done"
    )
    with tempfile.TemporaryFile() as log, supervised(["sh", "-c", command], cwd=Path("/"), env={}, log=log):
        while b"frozen" not in os.pread(log.fileno(), 100, 0):
            time.sleep(0.01)
        yield
