"""The Python versions that a service says it works with: the combinations are shared out over those that are here."""

from __future__ import annotations

import tomllib

import pytest

from tests.harness.rendering import content
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION, find_interpreter, further_versions, share_out, versions


@pytest.mark.parametrize("version", versions())
def test_version_runs_a_service_with_postgres_and_one_with_sqlite(version: str) -> None:
    if version != OWN_VERSION and find_interpreter(version) is None:
        pytest.skip(f"Python {version} is not installed here")
    shared_out = share_out(further_versions())
    runs = [combination for combination in combinations() if shared_out.get(combination, OWN_VERSION) == version]
    assert {combination.uses_postgres for combination in runs} == {True, False}


@pytest.mark.parametrize("number", range(4))
def test_versions_are_shared_out_by_what_shares_the_kit(number: int) -> None:
    further = versions()[1 : number + 1]
    shared_out = share_out(further)
    assert {*shared_out.values()} == {*further}
    for uses_postgres in (True, False):
        alike = [combination for combination in combinations() if combination.uses_postgres is uses_postgres]
        assert {shared_out.get(combination, OWN_VERSION) for combination in alike} == {OWN_VERSION, *further}
        groups = {combination.group for combination in alike}
        runs_of_the_kit = {(combination.group, shared_out.get(combination)) for combination in alike}
        assert len(runs_of_the_kit) == max(len(groups), 1 + number)


@pytest.mark.parametrize("version", versions()[1:])
def test_code_is_the_same_for_every_lowest_version(version: str, template: Template) -> None:
    """So that what was checked for one of them holds for all."""
    usual, other = template.render({}), template.render({"python_version": version})
    changed = {
        path.relative_to(usual).as_posix()
        for path in content.files(usual)
        if path.read_bytes() != other.joinpath(path.relative_to(usual)).read_bytes()
    }
    workflows = {".github/workflows/ci.yml", ".github/workflows/kit.yml"}
    assert changed == {".copier-answers.yml", "Dockerfile", "pyproject.toml", *workflows}
    projects = [tomllib.loads(folder.joinpath("pyproject.toml").read_text("utf-8")) for folder in (usual, other)]
    assert projects[1]["project"].pop("requires-python") == f">={version}"
    assert projects[0]["project"].pop("requires-python") == f">={versions()[0]}"
    assert projects[0] == projects[1]
