"""What every test can ask for, and what a run starts once: one PostgreSQL server and one report."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from copier.errors import CopierError

from tests.harness.rendering.classes import NotExercisedError
from tests.harness.rendering.combinations import check_name, combinations, kits
from tests.harness.rendering.memory import keep_temporary_files_in_memory
from tests.harness.rendering.packaging import check_exercised
from tests.harness.rendering.template import Template
from tests.harness.reporting.report import RunReport
from tests.harness.reporting.worker import WorkerReport
from tests.harness.running.leftovers import mark_this_run, remaining_processes
from tests.harness.running.records import Records
from tests.harness.running.servers import (
    install_pgbouncer,
    postgres_cpu,
    scratch_databases,
    server_versions,
    shared_postgres,
)
from tests.harness.running.services import Environments
from tests.harness.running.steps import WholeCombinations, step_of, suite_of

STEPS_ARE_IN = "test_combinations.py"

_run = pytest.StashKey[ExitStack]()
_report = pytest.StashKey[RunReport]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--combination", metavar="NAME", help="take this combination through all of its steps, and do nothing else"
    )
    parser.addoption(
        "--only",
        metavar="TEST",
        help="with --combination: run this one of its tests, such as kit_tests/test_kit.py::test_x",
    )
    parser.addoption(
        "--every-switch", action="store_true", help="update from each combination to each other one, which takes long"
    )
    parser.addoption(
        "--every-coverage", action="store_true", help="measure the coverage of each suite, which takes as long again"
    )
    parser.addoption(
        "--every-suite",
        action="store_true",
        help="run every test of every combination, also those that another combination has run on the same files, "
        "and those of every kit",
    )
    parser.addoption(
        "--every-server",
        action="store_true",
        help="run the suites of the default service on every version of PostgreSQL, and not on the oldest alone",
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
    parser.addoption("--report-page", metavar="PATH", help="where the page of the run is written")
    parser.addoption("--faults-seed", type=int, default=1, help="the same seed lets the same faults happen again")


def pytest_configure(config: pytest.Config) -> None:
    keep_temporary_files_in_memory()
    config.pluginmanager.register(WorkerReport())
    if _starts_the_run(config):
        config.stash[_report] = RunReport(config)
        config.pluginmanager.register(config.stash[_report])
        try:
            check_exercised(combinations())
        except CopierError as problem:
            raise pytest.UsageError(f"copier.yml cannot be used: {problem}") from problem
        except NotExercisedError as problem:
            raise pytest.UsageError(f"copier.yml asks for more than the tests exercise: {problem}") from problem
        if config.option.combination:
            try:
                check_name(config.option.combination)
            except ValueError as problem:
                raise pytest.UsageError(f"--combination: {problem}") from problem
        elif config.option.only:
            raise pytest.UsageError("--only goes with --combination: of which one is the test to run?")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Look nowhere else for the steps of one combination."""
    is_module = collection_path.name.startswith("test_")
    return True if config.option.combination and is_module and collection_path.name != STEPS_ARE_IN else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to other combinations, where one was asked for, and most kits; begin with what takes long.

    At the end short tests keep every process at work; a long one would leave the others waiting for it.
    """
    if config.option.combination:
        _leave_out(config, items, lambda item: not _is_asked_for(item, config.option.combination, config.option.only))
    elif not config.option.every_suite:
        left_out = {(str(each), "kit") for each in combinations() if each not in kits()}
        _leave_out(config, items, lambda item: step_of(item.nodeid) in left_out)
    items.sort(key=lambda item: not any(step_of(item.nodeid)) and item.get_closest_marker("slow") is None)


def _leave_out(config: pytest.Config, items: list[pytest.Item], unwanted: Callable[[pytest.Item], bool]) -> None:
    left_out = [item for item in items if unwanted(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _is_asked_for(item: pytest.Item, name: str, only: str | None) -> bool:
    combination, step = step_of(item.nodeid)
    return combination == name and (only is None or step == suite_of(only))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start what the whole run shares before xdist starts the workers, which inherit this process's environment."""
    if not _starts_the_run(session.config) or session.config.option.collectonly:
        return
    mark_this_run()
    install_pgbouncer()
    run = session.config.stash[_run] = ExitStack()
    try:
        run.enter_context(shared_postgres())
        before = scratch_databases()
    except (RuntimeError, psycopg.OperationalError) as problem:
        raise pytest.UsageError(f"There is no server for the tests: {problem}") from problem
    report = session.config.stash[_report]
    run.callback(lambda: report.note_leftovers(_databases_since(before)))
    run.callback(lambda: report.note_postgres(postgres_cpu()))
    report.note_versions(server_versions())


def _databases_since(before: list[str]) -> list[str]:
    return [f"database {name}" for name in scratch_databases() if name not in before]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than there are CPUs: suites wait for their server or for a timeout, and faults for their end.

    For one combination two: the suite of the kit, and all other steps.
    """
    return 2 if config.option.combination else (os.cpu_count() or 1) + 2


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
def records(run_folder: Path) -> Records:
    """What the tests of services needed, and how they ended: combinations take over results from each other."""
    return Records(run_folder / "records")
