"""Every combination is rendered, checked, installed and migrated, and passes the tests that it came with.

``pytest -k asyncpg-queue-repository-example`` runs one combination, ``-m suite`` one step of all of them.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.rendering import content
from tests.harness.rendering.combinations import Combination, combinations, samples
from tests.harness.rendering.template import Template
from tests.harness.reporting.properties import COVERAGE, KIT_COVERAGE, TAKEN_OVER, TESTS, VERSIONS
from tests.harness.running.commands import last_lines, run
from tests.harness.running.interpreters import interpreter, version_for, versions
from tests.harness.running.kit import copy_without_owners_files
from tests.harness.running.records import PLUGIN, PLUGIN_PATH, Case, Records, Run, Suite, TakenOverError, for_pytest
from tests.harness.running.servers import find_pgbouncer, scratch_database, server_url
from tests.harness.running.services import Environments, Service
from tests.harness.running.steps import STEPS

RUFF = Path(sys.executable).with_name("ruff")
ROUND_TRIP = PLUGIN.with_name("alembic_round_trip.py")

SUITE_WITHIN = 1800  # seconds; on a machine that is not busy it takes three hundred


SHOWN_PACKAGES = (
    *("FastAPI", "Starlette", "uvicorn", "pydantic", "SQLAlchemy", "Alembic", "asyncpg", "psycopg", "aiosqlite"),
    *("pytest", "mypy"),
)
"""Of which the page of a run says the versions."""

NO_PGBOUNCER = "a server, and no PgBouncer before it"

LONG = {"LEAK_REQUESTS": "1000"}
"""What the tests of the kit do more of here, once for each driver and pool, than where a service runs them."""


class InstalledService:
    """Installs the service when the first step asks for it, and lets the others off when that failed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._state = "untried"

    @property
    def folder(self) -> Path:
        return self._service.folder

    def get(self) -> Service:
        if self._state == "failed":
            pytest.skip("the service could not be installed")
        if self._state == "untried":
            self._state = "failed"
            self._service.install()
            self._state = "installed"
        return self._service


@pytest.fixture(scope="class")
def service(
    combination: Combination, template: Template, tmp_path_factory: pytest.TempPathFactory, environments: Environments
) -> Iterator[Service]:
    version = version_for(combination)
    # Whether it supports older versions too is not seen in the code, so half of them say so and half do not.
    lowest = version if combination.uses_postgres and version in versions() else versions()[0]
    answers = combination.answers | {"python_version": lowest}
    folder = template.render_to(tmp_path_factory.mktemp("services") / str(combination), answers)
    with environments.borrow(f"{combination.driver}-{version}") as environment:
        yield Service(folder, environment, interpreter(version), answers=answers)


@pytest.fixture(scope="class")
def installed(service: Service) -> InstalledService:
    return InstalledService(service)


@pytest.fixture
def installed_kit(
    installed: InstalledService, service: Service, template: Template, tmp_path: Path
) -> InstalledService:
    """What is left of the service as it was rendered when all that is its owner's is gone."""
    installed.get()
    alone = copy_without_owners_files(template.render(service.answers), tmp_path / "kit")
    return InstalledService(replace(service, folder=alone))


# In turns: an environment serves one driver and one process at a time, and those that share most with each other come
# so far apart that none has to wait for another one's result.
IN_TURNS = sorted(
    combinations(), key=lambda combination: (combination.data_access, combination.example, combination.pool)
)


@pytest.mark.parametrize("combination", IN_TURNS, ids=str, scope="class")
class TestCombination:
    """The steps of one combination. Ruff is this run's own; ``test_running_service.py`` runs the service's."""

    @pytest.mark.render
    def test_render(self, combination: Combination, service: Service) -> None:
        problems = [
            *content.problems_of_any_render(service.folder),
            *content.problems_of_wording(service.folder),
            *content.problems_of_combination(service.folder, combination),
            *content.problems_of_imports(service.folder),
        ]
        assert not problems, "\n".join(["the render holds what it should not:", *problems])
        of_its_deployment = content.DEPLOY_ENTRIES[str(combination.answers["deploy"])]
        expected = content.TOP_LEVEL | content.CI_ENTRIES["github"] | of_its_deployment
        assert {path.name for path in service.folder.iterdir()} == expected

    @pytest.mark.format
    def test_format(self, service: Service) -> None:
        run(RUFF, "format", "--check", "--diff", ".", cwd=service.folder)

    @pytest.mark.lint
    def test_lint(self, service: Service) -> None:
        run(RUFF, "check", ".", cwd=service.folder)

    @pytest.mark.install
    @pytest.mark.slow
    def test_install(
        self,
        combination: Combination,
        installed: InstalledService,
        record_property: Callable[[str, object], None],
    ) -> None:
        configuration = installed.get().environment.joinpath("pyvenv.cfg").read_text("utf-8")
        assert re.search(rf"^version_info = {re.escape(version_for(combination))}\b", configuration, re.MULTILINE)
        record_property(VERSIONS, installed.get().versions(SHOWN_PACKAGES))

    @pytest.mark.types
    @pytest.mark.slow
    def test_types(self, installed: InstalledService, environments: Environments) -> None:
        service = installed.get()
        with environments.mypy_cache() as cache:
            service.uv_run("mypy", "--cache-dir", str(cache))

    @pytest.mark.dependencies
    @pytest.mark.slow
    def test_dependencies(self, installed: InstalledService) -> None:
        installed.get().uv_run("poe", "deps")

    @pytest.mark.migrations
    @pytest.mark.slow
    def test_migrations(self, combination: Combination, installed: InstalledService, run_suite: RunSuite) -> None:
        service = installed.get()
        output = run_suite.migrations(service)
        if output and combination.example:
            _, _, offline = output.rpartition("== alembic")
            assert "CREATE TABLE" in offline, f"offline mode printed no SQL:\n{offline}"

    @pytest.mark.suite
    @pytest.mark.slow
    def test_suite(self, combination: Combination, installed: InstalledService, run_suite: RunSuite) -> None:
        """Run the owner's tests, for a few or by request for all with their coverage."""
        _check_bound(installed.get().project["tool"]["coverage"])
        run_suite(OWNERS_TESTS, installed, with_coverage=combination in samples())

    @pytest.mark.kit
    @pytest.mark.slow
    def test_kit(self, combination: Combination, installed_kit: InstalledService, run_suite: RunSuite) -> None:
        """Run the kit's tests where nothing of the owner's is left."""
        settings = installed_kit.folder / "kit_tests/coverage.toml"
        _check_bound(tomllib.loads(settings.read_text(encoding="utf-8"))["tool"]["coverage"])
        # One of each driver and of each pool, as most services are, and where each answer is given.
        with_coverage = combination in samples() or (
            not combination.further and combination.group in {each.group for each in samples()}
        )
        run_suite(KIT_TESTS, installed_kit, with_coverage=with_coverage)


@dataclass(frozen=True)
class TaskOfTests:
    """One of the two suites of a service.

    Attributes:
        task: The one of the service's tasks that runs it.
        task_with_coverage: The one that shows the coverage too.
        column: That of the table in which the coverage is shown.
        variables: What the tests are told besides the server to use.
    """

    task: str
    task_with_coverage: str
    column: str
    variables: Mapping[str, str]


OWNERS_TESTS = TaskOfTests("test", "coverage", COVERAGE, {})
KIT_TESTS = TaskOfTests("test-kit", "coverage-kit", KIT_COVERAGE, LONG)


class RunSuite:
    """Runs a suite of a combination, but for what another combination has run, and records what came of it."""

    def __init__(self, combination: Combination, records: Records, request: pytest.FixtureRequest) -> None:
        self._combination = combination
        self._records = records
        self._options = request.config.option
        self._record_property = request.getfixturevalue("record_property")

    def __call__(self, tests: TaskOfTests, installed: InstalledService, *, with_coverage: bool) -> None:
        combination = self._combination
        # One combination by itself measures nothing: it is there for whoever waits for it.
        with_coverage = not self._options.combination and (with_coverage or self._options.every_coverage)
        task = tests.task_with_coverage if with_coverage else tests.task
        environment = {**_server_for(combination), **tests.variables, **PLUGIN_PATH}
        kind_of_server = _kind_of_server(combination)

        def run_task(*arguments: str) -> str:
            return installed.get().uv_run("poe", task, *arguments, env=environment, timeout=SUITE_WITHIN).output

        if self._options.only:
            installed.get().uv_run("pytest", self._options.only, env=environment, timeout=SUITE_WITHIN)
            return
        if self._options.combination:
            # Nobody takes anything over, so nothing is recorded, and several processes may share the work.
            _check_output(run_task(), combination, with_coverage=with_coverage)
            return
        suite = self._run(
            (tests.task, kind_of_server),
            installed.folder,
            lambda noted, left_out: run_task(*for_pytest(noted, left_out)),
            in_parts=not with_coverage,
        )
        if suite.ran:
            _check_output(suite.output, combination, with_coverage=with_coverage)
            for covered in re.findall(r"Total coverage: ([\d.]+%)", suite.output):
                self._record_property(tests.column, covered)
        if kind_of_server != NO_PGBOUNCER:
            assert not suite.skipped, f"{suite.skipped} tests were skipped, here or where they are taken over from"
        self._record_property(TESTS, {"ran": suite.ran, "taken over": dict(suite.taken_over)})

    def migrations(self, service: Service) -> str:
        """Take a database through all migrations, there and back; return what was printed, if it was not taken over."""

        def run_round_trip(noted: Path, _: Path) -> str:
            with scratch_database() if self._combination.uses_postgres else nullcontext(f"sqlite:///{noted}.db") as url:
                return service.uv_run("python", str(ROUND_TRIP), str(noted), env={"DATABASE_URL": url}).output

        # It goes to the server itself, whatever is between that and the service.
        return self._run(("migrations",), service.folder, run_round_trip).output

    def _run(self, conditions: tuple[str, ...], folder: Path, run: Run, *, in_parts: bool = True) -> Suite:
        combination = self._combination
        case = Case(str(combination), folder, (*conditions, combination.driver, version_for(combination)))
        try:
            suite = self._records.run(case, run, everything=self._options.every_suite, in_parts=in_parts)
        except TakenOverError as problem:
            self._record_property(TAKEN_OVER, ", ".join(problem.others))
            raise
        if not suite.ran:
            self._record_property(TAKEN_OVER, ", ".join(sorted(suite.taken_over)))
        return suite


@pytest.fixture
def run_suite(combination: Combination, records: Records, request: pytest.FixtureRequest) -> RunSuite:
    return RunSuite(combination, records, request)


def _goes_through_pgbouncer(combination: Combination) -> bool:
    return combination.pool == "pgbouncer" and bool(find_pgbouncer() or "CI" in os.environ)


def _kind_of_server(combination: Combination) -> str:
    if not combination.uses_postgres:
        return "a file"
    if combination.pool != "pgbouncer":
        return "a server"
    return "PgBouncer" if _goes_through_pgbouncer(combination) else NO_PGBOUNCER


def _server_for(combination: Combination) -> dict[str, str]:
    """The variables that name a suite its server."""
    variables = {"TEST_DATABASE_URL": server_url()} if combination.uses_postgres else {}
    return variables | ({"REQUIRE_PGBOUNCER": "1"} if _goes_through_pgbouncer(combination) else {})


def _check_output(output: str, combination: Combination, *, with_coverage: bool) -> None:
    """Check that a suite ran, and as a whole."""
    demands = {"tests that passed": r"\b\d+ passed\b"}
    if with_coverage:
        demands["a bound for the coverage"] = r"^Required test coverage of .* reached"
    if _goes_through_pgbouncer(combination):
        demands["that it went through PgBouncer"] = r"^database: .*, behind PgBouncer in transaction mode$"
    for what, pattern in demands.items():
        assert re.search(pattern, output, re.MULTILINE), f"the suite does not show {what}:\n{last_lines(output)}"
    if combination.pool != "pgbouncer" or _goes_through_pgbouncer(combination):
        left_out = re.search(r"\b\d+ (skipped|xfailed|deselected|warnings?)\b", output)
        assert not left_out, f"the suite has {left_out[0]}:\n{last_lines(output)}"


def _check_bound(coverage: dict[str, Any]) -> None:
    assert coverage["report"]["fail_under"] >= 95
    assert coverage["run"]["branch"] is True


def test_each_step_has_its_test_and_its_marker() -> None:
    tests = [name.removeprefix("test_") for name in vars(TestCombination) if name.startswith("test_")]
    assert tuple(tests) == STEPS
