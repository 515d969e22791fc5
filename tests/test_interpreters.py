"""The Python versions that a service says it works with, as far as this machine has them."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.harness import content
from tests.harness.interpreters import find_interpreter, versions
from tests.harness.questions import Answers
from tests.harness.rendering import Template
from tests.harness.servers import server_url
from tests.harness.services import Environments, Service

POSTGRES: Answers = {"driver": "asyncpg", "data_access": "repository"}
SQLITE: Answers = {"driver": "aiosqlite", "data_access": "direct"}

OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def interpreter(version: str) -> str:
    if version == OWN_VERSION == versions()[0]:
        pytest.skip(f"Python {version} is what every combination runs on")
    found = find_interpreter(version)
    if found is None:
        pytest.skip(f"Python {version} is not installed here")
    return found


@pytest.mark.slow
@pytest.mark.interpreters
@pytest.mark.parametrize("version", versions())
def test_postgres_service_for_this_version(
    version: str, interpreter: str, template: Template, environments: Environments, tmp_path: Path
) -> None:
    """The checks too: which of them apply depends on the lowest version that a service supports."""
    folder = template.render_to(tmp_path / "service", POSTGRES | {"python_version": version})
    with environments.borrow(f"asyncpg-{version}") as environment:
        service = Service(folder, environment, interpreter, {"MYPY_CACHE_DIR": str(environment / "mypy-cache")})
        service.install()
        service.uv_run("poe", "check")
        service.uv_run("pytest", "--no-cov", env={"TEST_DATABASE_URL": server_url()})


@pytest.mark.slow
@pytest.mark.interpreters
@pytest.mark.parametrize("version", versions())
def test_sqlite_service_for_the_lowest_version_runs_on_this_one(
    version: str, interpreter: str, template: Template, environments: Environments, tmp_path: Path
) -> None:
    folder = template.render_to(tmp_path / "service", SQLITE | {"python_version": versions()[0]})
    with environments.borrow(f"aiosqlite-{version}") as environment:
        service = Service(folder, environment, interpreter)
        service.install()
        service.uv_run("pytest", "--no-cov")


@pytest.mark.parametrize("version", versions()[1:])
def test_code_is_the_same_for_every_lowest_version(version: str, template: Template) -> None:
    """So that what was checked for one of them holds for all."""
    usual, other = template.render({}), template.render({"python_version": version})
    changed = {
        path.relative_to(usual).as_posix()
        for path in content.files(usual)
        if path.read_bytes() != other.joinpath(path.relative_to(usual)).read_bytes()
    }
    assert changed == {".copier-answers.yml", ".github/workflows/ci.yml", "Dockerfile", "pyproject.toml"}
    projects = [tomllib.loads(folder.joinpath("pyproject.toml").read_text("utf-8")) for folder in (usual, other)]
    assert projects[1]["project"].pop("requires-python") == f">={version}"
    assert projects[0]["project"].pop("requires-python") == f">={versions()[0]}"
    assert projects[0] == projects[1]
