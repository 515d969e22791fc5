"""What every test can ask for, and what a run starts once: one PostgreSQL server and one report."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from copier.errors import CopierError

from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.template import Template
from tests.harness.reporting.report import RunReport, WorkerReport
from tests.harness.running.kit import SharedRuns
from tests.harness.running.leftovers import mark_this_run, remaining_processes
from tests.harness.running.servers import install_pgbouncer, scratch_databases, shared_postgres
from tests.harness.running.services import Environments
from tests.harness.running.steps import WholeCombinations

ENOUGH_MEMORY = 4 * 1024**3
"""Free bytes on a file system in memory from which on temporary files are kept there."""

_run = pytest.StashKey[ExitStack]()
_report = pytest.StashKey[RunReport]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-switch", action="store_true", help="update from each combination to each other one, which takes long"
    )
    parser.addoption(
        "--every-coverage", action="store_true", help="measure the coverage of each suite, which takes as long again"
    )
    parser.addoption(
        "--every-suite",
        action="store_true",
        help="run the tests of the kit for each combination, and not once for all in which the kit is the same",
    )
    parser.addoption(
        "--hostile-examples",
        type=int,
        metavar="N",
        help="let Schemathesis make N examples of each operation, from a seed that differs from run to run",
    )
    parser.addoption(
        "--faults-minutes", type=float, default=0, help="let faults happen at random for so long, all services together"
    )
    parser.addoption("--faults-seed", type=int, default=1, help="the same seed lets the same faults happen again")


def pytest_configure(config: pytest.Config) -> None:
    _keep_temporary_files_in_memory()
    config.pluginmanager.register(WorkerReport())
    if _starts_the_run(config):
        config.stash[_report] = RunReport(config)
        config.pluginmanager.register(config.stash[_report])
        try:
            combinations()
        except CopierError as problem:
            raise pytest.UsageError(f"copier.yml cannot be used: {problem}") from problem


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start what the whole run shares before xdist starts the workers, which inherit this process's environment."""
    if not _starts_the_run(session.config) or session.config.option.collectonly:
        return
    mark_this_run()
    install_pgbouncer()
    run = session.config.stash[_run] = ExitStack()
    folder = run.enter_context(tempfile.TemporaryDirectory(prefix="template-devtools-"))
    try:
        run.enter_context(shared_postgres(Path(folder)))
        before = scratch_databases()
    except (RuntimeError, psycopg.OperationalError) as problem:
        raise pytest.UsageError(f"There is no server for the tests: {problem}") from problem
    run.callback(lambda: session.config.stash[_report].note_leftovers(_databases_since(before)))


def _databases_since(before: list[str]) -> list[str]:
    return [f"database {name}" for name in scratch_databases() if name not in before]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are CPUs: suites wait for their server or for a timeout, and faults for their end."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WholeCombinations:
    return WholeCombinations(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop what the run shared, and look whether that was all."""
    run = session.config.stash.get(_run, None)
    if run is not None:
        report = session.config.stash[_report]
        run.close()
        report.note_leftovers(remaining_processes())
        if report.leftovers and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _keep_temporary_files_in_memory() -> None:
    """Most of an update's time goes into files that soon are gone again: in memory it takes less than half of it."""
    memory = Path("/dev/shm")  # noqa: S108 - each who uses it makes a folder of its own there
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK):
        return
    found = os.statvfs(memory)
    # Environments are made there too, and their programs run.
    if found.f_bavail * found.f_frsize > ENOUGH_MEMORY and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(memory)
        tempfile.tempdir = None


def _starts_the_run(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of this run. pytest removes it, unless something in it failed."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def template(run_folder: Path) -> Template:
    """The template as it is in the working tree."""
    return Template(run_folder)


@pytest.fixture(scope="session")
def environments(pytestconfig: pytest.Config, run_folder: Path) -> Environments:
    """The environments that services are installed to."""
    cache = getattr(pytestconfig, "cache", None)  # which may be switched off
    return Environments(run_folder if cache is None else cache.mkdir("environments"))


@pytest.fixture(scope="session")
def kit_runs(run_folder: Path) -> SharedRuns:
    """The runs of the kit's tests, which combinations take over from each other."""
    return SharedRuns(run_folder / "kit-runs")
