"""The one PostgreSQL that all combinations of a run share, and the PgBouncer that some of them need.

The server is started by the code that generated services start theirs with, so it is gone when the run is gone, in
whatever way the run ended.
"""

from __future__ import annotations

import atexit
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType

import psutil
import psycopg
from psycopg import sql

from tests.harness.rendering.questions import ROOT

SERVER_URL = "TEMPLATE_TESTS_SERVER_URL"
"""Environment variable in which the process that starts the server tells xdist's workers where it is."""

_JINJA_TAG = re.compile(r"{%.*?%}")


@contextmanager
def shared_postgres() -> Iterator[str]:
    """Run a throw-away PostgreSQL and yield the URL of a role that may create databases.

    ``TEST_DATABASE_URL`` is used instead where it is set, as a generated suite would.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        os.environ[SERVER_URL] = given
        yield given
        return
    with devtools("postgres").running(options={"max_connections": "400"}) as server:
        os.environ[SERVER_URL] = server.url("postgres")
        try:
            yield server.url("postgres")
        finally:
            del os.environ[SERVER_URL]


def server_url() -> str:
    """Where the shared server is."""
    return os.environ[SERVER_URL]


@contextmanager
def scratch_database() -> Iterator[str]:
    """Create a database of an unused name, yield its URL, drop it."""
    name = f"scratch_{uuid.uuid4().hex}"
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield _with_database(name)
    finally:
        with psycopg.connect(server_url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def scratch_databases() -> list[str]:
    """The databases on the shared server that only this harness or a generated suite can have made."""
    with psycopg.connect(server_url(), autocommit=True) as connection:
        query = "SELECT datname FROM pg_database WHERE datname ~ '^(scratch|test)_[0-9a-f_]+$' ORDER BY 1"
        return [name for (name,) in connection.execute(query)]


def postgres_cpu() -> float:
    """CPU seconds of the shared server since its start, or 0 if it is not this run's own."""
    if "TEST_DATABASE_URL" in os.environ:
        return 0.0
    with psycopg.connect(server_url(), autocommit=True) as connection:
        postmaster = psutil.Process(connection.info.backend_pid).parent()
        assert postmaster is not None
        # Each connection had a process of its own, which the postmaster has waited for.
        seconds = sum(postmaster.cpu_times()[:4])
        for process in postmaster.children():
            with suppress(psutil.NoSuchProcess):
                seconds += sum(process.cpu_times()[:2])
    return seconds


def server_versions() -> dict[str, str]:
    """The version of the shared server, and of PgBouncer if it is here."""
    with psycopg.connect(server_url(), autocommit=True) as connection:
        number = connection.info.server_version
    versions = {"PostgreSQL": f"{number // 10_000}.{number % 10_000}"}
    if program := find_pgbouncer():
        told = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout
        versions["PgBouncer"] = told.partition("\n")[0].removeprefix("PgBouncer ")
    return versions


def find_pgbouncer() -> str | None:
    """Where PgBouncer is, by the rules of a generated suite."""
    return os.environ.get("PGBOUNCER") or shutil.which(
        "pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
    )


def install_pgbouncer() -> str | None:
    """Find PgBouncer, after an attempt to install the distribution's package where that is allowed."""
    if find_pgbouncer() is None:
        install_package("pgbouncer")
    return find_pgbouncer()


def install_package(name: str) -> None:
    """Install a package of the distribution, if this is root on Debian or a relative; else do nothing."""
    apt_get = shutil.which("apt-get")
    if apt_get and os.geteuid() == 0:
        print(f"{name} is missing: installing the distribution's package", file=sys.stderr, flush=True)
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", name]):
            subprocess.run([apt_get, *arguments], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _with_database(name: str) -> str:
    base, question_mark, query = server_url().partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}{question_mark}{query}"


def devtools(module: str) -> ModuleType:
    """Import a module of the devtools of all options, by the name it has in a render."""
    _unpack_devtools()
    return importlib.import_module(f"devtools.{module}")


@cache
def _unpack_devtools() -> None:
    """Unpack them, once and for as long as this process runs: what it has imported starts programs of theirs."""
    folder = Path(tempfile.mkdtemp(prefix="template-devtools-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    package = folder / "devtools"
    package.mkdir()
    for file in ROOT.joinpath("template", "devtools").iterdir():
        name = _JINJA_TAG.sub("", file.name)
        if name.endswith(".py"):
            shutil.copyfile(file, package / name)
    sys.path.insert(0, str(folder))
