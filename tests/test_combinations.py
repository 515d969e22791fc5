"""Every combination is rendered, checked, installed and migrated, and passes the tests that it came with.

``pytest -k asyncpg-queue-repository-example`` runs one combination, ``-m suite`` one step of all of them.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.rendering import content
from tests.harness.rendering.combinations import Combination, combinations, samples
from tests.harness.rendering.template import Template
from tests.harness.reporting.report import COVERAGE, KIT_COVERAGE, TAKEN_OVER
from tests.harness.running.commands import last_lines, run
from tests.harness.running.interpreters import interpreter, version_for, versions
from tests.harness.running.kit import SharedRuns, copy_without_owners_files, key_of, outcome_of
from tests.harness.running.servers import find_pgbouncer, scratch_database, server_url
from tests.harness.running.services import Environments, Service
from tests.harness.running.steps import STEPS

RUFF = Path(sys.executable).with_name("ruff")
ROUND_TRIP = Path(__file__).with_name("harness") / "running" / "alembic_round_trip.py"

SUITE_WITHIN = 900  # seconds; on a machine that is not busy it takes one


LONG = {"LEAK_REQUESTS": "1000"}
"""What the tests of the kit do more of here, once for each driver and pool, than where a service runs them."""


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
        yield Service(folder, environment, interpreter(version), answers=answers)


@pytest.fixture(scope="class")
def installed(service: Service) -> InstalledService:
    return InstalledService(service)


@pytest.fixture
def kit_alone(service: Service, template: Template, tmp_path: Path) -> Path:
    """What is left of the service as it was rendered when all that is its owner's is gone."""
    return copy_without_owners_files(template.render(service.answers), tmp_path / "kit")


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
            *content.problems_of_imports(service.folder),
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
        installed.get().uv_run("poe", "deps")

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
        """Run the owner's tests, for a few or by request for all with their coverage."""
        service = installed.get()
        with_coverage = pytestconfig.getoption("--every-coverage") or combination in samples()
        command = ("poe", "coverage") if with_coverage else ("pytest",)
        output = service.uv_run(*command, env=_server_for(combination), timeout=SUITE_WITHIN).output
        _check_output(output, combination, with_coverage=with_coverage)
        _check_bound(service.project["tool"]["coverage"])
        _record_coverage(record_property, COVERAGE, output)

    @pytest.mark.kit
    @pytest.mark.slow
    def test_kit(
        self,
        combination: Combination,
        installed: InstalledService,
        kit_alone: Path,
        kit_runs: SharedRuns,
        request: pytest.FixtureRequest,
    ) -> None:
        """Run the kit's tests where nothing of the owner's is left, or take over what came of the very same files."""
        alone = replace(installed.get(), folder=kit_alone)
        # One of each driver and of each pool.
        with_coverage = request.config.getoption("--every-coverage") or combination.group in {
            each.group for each in samples()
        }

        def run_suite() -> str:
            alone.install()
            task = "coverage-kit" if with_coverage else "test-kit"
            return alone.uv_run("poe", task, env=_server_for(combination) | LONG, timeout=SUITE_WITHIN).output

        if request.config.getoption("--every-suite"):
            outcome = outcome_of(str(combination), run_suite)
        else:
            key = key_of(kit_alone, combination.driver, combination.pool, version_for(combination))
            outcome = kit_runs.outcome(key, str(combination), run_suite)
        record_property = request.getfixturevalue("record_property")
        if outcome.combination != str(combination):
            record_property(TAKEN_OVER, outcome.combination)
        output = outcome.output_for(str(combination))
        _check_output(output, combination, with_coverage=with_coverage)
        _check_bound(
            tomllib.loads(kit_alone.joinpath("kit_tests/coverage.toml").read_text("utf-8"))["tool"]["coverage"]
        )
        _record_coverage(record_property, KIT_COVERAGE, output)


def _goes_through_pgbouncer(combination: Combination) -> bool:
    return combination.pool == "pgbouncer" and bool(find_pgbouncer() or "CI" in os.environ)


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


def _record_coverage(record_property: Callable[[str, str], None], name: str, output: str) -> None:
    for covered in re.findall(r"Total coverage: ([\d.]+%)", output):
        record_property(name, covered)


def _migrate(service: Service, url: str) -> str:
    return service.uv_run("python", str(ROUND_TRIP), env={"DATABASE_URL": url}).output


def test_each_step_has_its_test_and_its_marker() -> None:
    tests = [name.removeprefix("test_") for name in vars(TestCombination) if name.startswith("test_")]
    assert tuple(tests) == STEPS
