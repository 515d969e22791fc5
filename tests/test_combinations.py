"""Every combination is rendered, checked, installed and migrated, and passes the tests that it came with.

``pytest -k asyncpg-queue-repository-example`` runs one combination, ``-m suite`` one step of all of them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import content
from tests.harness.combinations import Combination, combinations, samples
from tests.harness.commands import last_lines, run
from tests.harness.interpreters import interpreter, version_for, versions
from tests.harness.rendering import Template
from tests.harness.report import COVERAGE
from tests.harness.servers import find_pgbouncer, scratch_database, server_url
from tests.harness.services import Environments, Service
from tests.harness.steps import STEPS

RUFF = Path(sys.executable).with_name("ruff")
ROUND_TRIP = Path(__file__).with_name("harness") / "alembic_round_trip.py"

SUITE_WITHIN = 900  # seconds; on a machine that is not busy it takes one


class InstalledService:
    """Installs the service when the first step asks for it, and lets the others off when that failed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._state = "untried"

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
        yield Service(folder, environment, interpreter(version))


@pytest.fixture(scope="class")
def installed(service: Service) -> InstalledService:
    return InstalledService(service)


# In turns, because an environment serves one driver and one process at a time.
IN_TURNS = sorted(
    combinations(), key=lambda combination: (combination.pool, combination.data_access, combination.example)
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
        ]
        assert not problems, "\n".join(["the render holds what it should not:", *problems])
        expected = content.TOP_LEVEL | content.CI_ENTRIES["github"]
        assert {path.name for path in service.folder.iterdir()} == expected

    @pytest.mark.format
    def test_format(self, service: Service) -> None:
        run(RUFF, "format", "--check", "--diff", ".", cwd=service.folder)

    @pytest.mark.lint
    def test_lint(self, service: Service) -> None:
        run(RUFF, "check", ".", cwd=service.folder)

    @pytest.mark.install
    @pytest.mark.slow
    def test_install(self, combination: Combination, installed: InstalledService) -> None:
        configuration = installed.get().environment.joinpath("pyvenv.cfg").read_text("utf-8")
        assert re.search(rf"^version_info = {re.escape(version_for(combination))}\b", configuration, re.MULTILINE)

    @pytest.mark.types
    @pytest.mark.slow
    def test_types(self, installed: InstalledService, environments: Environments) -> None:
        service = installed.get()
        with environments.mypy_cache() as cache:
            service.uv_run("mypy", "--cache-dir", str(cache))

    @pytest.mark.dependencies
    @pytest.mark.slow
    def test_dependencies(self, installed: InstalledService) -> None:
        installed.get().uv_run("deptry", ".")

    @pytest.mark.migrations
    @pytest.mark.slow
    def test_migrations(self, combination: Combination, installed: InstalledService, tmp_path: Path) -> None:
        if combination.uses_postgres:
            with scratch_database() as url:
                output = _migrate(installed.get(), url)
        else:
            output = _migrate(installed.get(), f"sqlite:///{tmp_path}/scratch.db")
        if combination.example:
            _, _, offline = output.rpartition("== alembic")
            assert "CREATE TABLE" in offline, f"offline mode printed no SQL:\n{offline}"

    @pytest.mark.suite
    @pytest.mark.slow
    def test_suite(
        self,
        combination: Combination,
        installed: InstalledService,
        record_property: Callable[[str, str], None],
        pytestconfig: pytest.Config,
    ) -> None:
        """Run the service's own tests, for a few or by request for all with their coverage."""
        service = installed.get()
        with_coverage = pytestconfig.getoption("--every-coverage") or combination in samples()
        variables: dict[str, str] = {}
        if combination.uses_postgres:
            variables["TEST_DATABASE_URL"] = server_url()
        needs_pgbouncer = combination.pool == "pgbouncer"
        if needs_pgbouncer and (find_pgbouncer() or "CI" in os.environ):
            variables["REQUIRE_PGBOUNCER"] = "1"
        options = [] if with_coverage else ["--no-cov"]
        output = service.uv_run("pytest", *options, env=variables, timeout=SUITE_WITHIN).output
        demands = {"tests that passed": r"\b\d+ passed\b"}
        if with_coverage:
            demands["a bound for the coverage"] = r"^Required test coverage of .* reached"
        if "REQUIRE_PGBOUNCER" in variables:
            demands["that it went through PgBouncer"] = r"^database: .*, behind PgBouncer in transaction mode$"
        for what, pattern in demands.items():
            assert re.search(pattern, output, re.MULTILINE), f"the suite does not show {what}:\n{last_lines(output)}"
        if not needs_pgbouncer or "REQUIRE_PGBOUNCER" in variables:
            left_out = re.search(r"\b\d+ (skipped|xfailed|deselected|warnings?)\b", output)
            assert not left_out, f"the suite has {left_out[0]}:\n{last_lines(output)}"
        assert service.project["tool"]["coverage"]["report"]["fail_under"] >= 95
        assert service.project["tool"]["coverage"]["run"]["branch"] is True
        for covered in re.findall(r"Total coverage: ([\d.]+%)", output):
            record_property(COVERAGE, covered)


def _migrate(service: Service, url: str) -> str:
    return service.uv_run("python", str(ROUND_TRIP), env={"DATABASE_URL": url}).output


def test_each_step_has_its_test_and_its_marker() -> None:
    tests = [name.removeprefix("test_") for name in vars(TestCombination) if name.startswith("test_")]
    assert tuple(tests) == STEPS
