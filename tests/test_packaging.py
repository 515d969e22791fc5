"""Licence, CI, bot, container files: the right ones and no others, and each passes the linter of its kind."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.harness.rendering import content
from tests.harness.rendering.packaging import Packaging, packagings
from tests.harness.rendering.questions import ROOT, questions
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run
from tests.harness.running.linters import actionlint, check_schema, hadolint, has_docker_compose, zizmor
from tests.harness.running.tools import MissingToolError

LICENCE_TITLES = {
    "MIT": "MIT License",
    "Apache-2.0": "Apache License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "Proprietary": "All rights reserved",
}

CI_WORDS = {"github": r"github actions|\.github", "gitlab": r"gitlab"}

BOTS = ("dependabot", "renovate")

OWN_WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


@pytest.fixture(scope="module")
def renders(template: Template) -> dict[Packaging, Path]:
    return {packaging: template.render(packaging.answers) for packaging in packagings()}


@pytest.mark.parametrize("packaging", packagings(), ids=str)
def test_files(packaging: Packaging, renders: dict[Packaging, Path]) -> None:
    folder = renders[packaging]
    deploy = str(packaging.combination.answers["deploy"])
    of_its_own = content.CI_ENTRIES[packaging.ci] | content.BOT_ENTRIES[packaging.dependency_bot]
    assert {path.name for path in folder.iterdir()} == content.TOP_LEVEL | content.DEPLOY_ENTRIES[deploy] | of_its_own
    assert folder.joinpath(".github/dependabot.yml").exists() == (packaging.dependency_bot == "dependabot")
    problems = [*content.problems_of_any_render(folder)]
    for ci, words in CI_WORDS.items():
        if ci != packaging.ci:
            problems += content.lines_matching(folder, words)
    for bot in BOTS:
        if bot != packaging.dependency_bot:
            # The guide to updates is the same for everyone.
            found = content.lines_matching(folder, bot)
            problems += [line for line in found if not line.startswith("docs/updating.md:")]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("packaging", packagings(), ids=str)
def test_licence(packaging: Packaging, renders: dict[Packaging, Path]) -> None:
    folder = renders[packaging]
    text = folder.joinpath("LICENSE").read_text(encoding="utf-8")
    for licence, title in LICENCE_TITLES.items():
        assert (title in text.split("\n\n")[0] + text.split("\n\n")[1]) == (licence == packaging.license), licence
    declared = tomllib.loads(folder.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    assert declared == {"Proprietary": "LicenseRef-Proprietary"}.get(packaging.license, packaging.license)


def test_every_licence_ci_and_bot_is_known_here() -> None:
    assert LICENCE_TITLES.keys() == set(questions()["license"].choices)
    assert content.CI_ENTRIES.keys() == set(questions()["ci"].choices)
    assert content.DEPLOY_ENTRIES.keys() == set(questions()["deploy"].choices)
    assert content.BOT_ENTRIES.keys() == {"none", *BOTS} == set(questions()["dependency_bot"].choices)


@pytest.mark.parametrize("packaging", packagings(), ids=str)
def test_lowest_python_is_the_same_everywhere(packaging: Packaging, renders: dict[Packaging, Path]) -> None:
    folder = renders[packaging]
    project = tomllib.loads(folder.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == f">={packaging.python_version}"
    assert f"FROM python:{packaging.python_version}-" in folder.joinpath("Dockerfile").read_text(encoding="utf-8")


def test_workflows_pass_actionlint(renders: dict[Packaging, Path], pytestconfig: pytest.Config) -> None:
    workflows = [
        file
        for packaging, folder in renders.items()
        if packaging.ci == "github"
        for file in folder.glob(".github/workflows/*.yml")
    ]
    assert workflows
    assert pytestconfig.cache is not None
    try:
        findings = actionlint([*OWN_WORKFLOWS, *workflows], pytestconfig.cache.mkdir("actionlint"))
    except MissingToolError as reason:
        pytest.skip(f"{reason}; the schema of workflows is checked all the same")
    assert not findings, "\n".join(findings)


def test_workflows_match_their_schema(renders: dict[Packaging, Path]) -> None:
    workflows = [file for folder in renders.values() for file in folder.glob(".github/workflows/*.yml")]
    check_schema("vendor.github-workflows", [*OWN_WORKFLOWS, *workflows])


def test_workflows_pass_zizmor(renders: dict[Packaging, Path]) -> None:
    zizmor([ROOT / ".github", *(folder for packaging, folder in renders.items() if packaging.ci == "github")])


def test_actions_are_pinned_to_the_same_commits_everywhere(renders: dict[Packaging, Path]) -> None:
    workflows = [
        *OWN_WORKFLOWS,
        *(file for folder in renders.values() for file in folder.glob(".github/workflows/*.yml")),
    ]
    used = {line for file in workflows for line in re.findall(r"uses: *(.+)", file.read_text(encoding="utf-8"))}
    # What comes before `@` names an action, so each stands there once.
    pinned = {line.partition("@")[0] for line in used if re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)}
    assert len(used) == len(pinned) > 1, sorted(used)


def test_pipelines_match_their_schema(renders: dict[Packaging, Path]) -> None:
    check_schema(
        "vendor.gitlab-ci",
        [folder / ".gitlab-ci.yml" for packaging, folder in renders.items() if packaging.ci == "gitlab"],
    )


@pytest.mark.parametrize(("bot", "name"), [("dependabot", ".github/dependabot.yml"), ("renovate", "renovate.json")])
def test_configurations_of_bots_match_their_schema(bot: str, name: str, renders: dict[Packaging, Path]) -> None:
    check_schema(
        f"vendor.{bot}", [folder / name for packaging, folder in renders.items() if packaging.dependency_bot == bot]
    )


def test_compose_files_match_their_schema(renders: dict[Packaging, Path]) -> None:
    check_schema("vendor.compose-spec", [folder / "compose.yaml" for folder in renders.values()])


@pytest.mark.skipif(
    not has_docker_compose(), reason="the Docker client has no Compose; the schema is checked all the same"
)
def test_compose_files_pass_docker_compose(renders: dict[Packaging, Path]) -> None:
    for folder in renders.values():
        run("docker", "compose", "config", "--quiet", cwd=folder)


def test_dockerfiles_pass_hadolint(renders: dict[Packaging, Path]) -> None:
    hadolint([folder / "Dockerfile" for folder in renders.values()])


@pytest.mark.parametrize("packaging", packagings(), ids=str)
def test_every_file_of_data_parses(packaging: Packaging, renders: dict[Packaging, Path]) -> None:
    for path in content.files(renders[packaging]):
        if path.suffix == ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        if path.suffix in {".yml", ".yaml"}:
            # GitLab has tags of its own, which a plain loader does not know.
            assert yaml.compose(path.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("packaging", packagings(), ids=str)
def test_container_may_do_as_little_as_possible(packaging: Packaging, renders: dict[Packaging, Path]) -> None:
    folder = renders[packaging]
    lines = folder.joinpath("Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    last_stage = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    (user,) = [line for line in last_stage if line.startswith("USER ")]
    # A number, because orchestrators cannot tell from a name that it is not root's.
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", user)
    (command,) = [line for line in last_stage if line.startswith("CMD ")]
    assert "--no-server-header" in json.loads(command.removeprefix("CMD "))

    services = yaml.safe_load(folder.joinpath("compose.yaml").read_text(encoding="utf-8"))["services"]
    for name in ("app", "migrate"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in services[name]
