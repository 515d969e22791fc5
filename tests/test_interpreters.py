"""The Python versions that a service says it works with, as far as this machine has them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness.combinations import Combination, combinations
from tests.harness.commands import run
from tests.harness.interpreters import find_interpreter, versions
from tests.harness.questions import Answers
from tests.harness.rendering import Template
from tests.harness.servers import server_url
from tests.harness.services import Service

RUFF = Path(sys.executable).with_name("ruff")

POSTGRES: Answers = {"driver": "asyncpg", "data_access": "repository"}
SQLITE: Answers = {"driver": "aiosqlite", "data_access": "direct"}


@pytest.fixture
def interpreter(version: str) -> str:
    found = find_interpreter(version)
    if found is None:
        pytest.skip(f"Python {version} is not installed here")
    return found


@pytest.mark.slow
@pytest.mark.interpreters
@pytest.mark.parametrize("version", versions())
def test_postgres_service_for_this_version(version: str, interpreter: str, template: Template, tmp_path: Path) -> None:
    """The checks too: which of them apply depends on the lowest version that a service supports."""
    folder = template.render_to(tmp_path / "service", POSTGRES | {"python_version": version})
    service = Service(folder, tmp_path / "environment", interpreter)
    service.install()
    service.uv_run("poe", "check")
    service.uv_run("pytest", env={"TEST_DATABASE_URL": server_url()})


@pytest.mark.slow
@pytest.mark.interpreters
@pytest.mark.parametrize("version", versions())
def test_sqlite_service_for_the_lowest_version_runs_on_this_one(
    interpreter: str, template: Template, tmp_path: Path
) -> None:
    folder = template.render_to(tmp_path / "service", SQLITE | {"python_version": versions()[0]})
    service = Service(folder, tmp_path / "environment", interpreter)
    service.install()
    service.uv_run("pytest")


@pytest.mark.parametrize("version", versions()[1:])
@pytest.mark.parametrize("combination", [each for each in combinations() if each.example], ids=str)
def test_ruff_is_content_with_a_higher_lowest_version(
    combination: Combination, version: str, template: Template
) -> None:
    folder = template.render(combination.answers | {"python_version": version})
    run(RUFF, "format", "--check", "--diff", ".", cwd=folder)
    run(RUFF, "check", ".", cwd=folder)
