"""The scheduled job of a service's CI that tells of new releases."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.rendering.template import Template
from tests.harness.running.commands import Result, run
from tests.harness.running.linters import check_schema
from tests.harness.updating.updates import replace
from tests.updating_guide.owner import ANSWERS_FILE
from tests.updating_guide.sources import FIRST, THIRD, URL, move, reachable


@dataclass(frozen=True)
class Job:
    """The scheduled job of a CI.

    Attributes:
        file: Where it is defined.
        shell: What the CI runs its script with.
        script: Finds the script in what the file holds.
    """

    file: str
    shell: tuple[str, ...]
    script: Callable[[Any], str]


JOBS = {
    "github": Job(
        ".github/workflows/template-update.yml",
        ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"),
        lambda workflow: workflow["jobs"]["template-update"]["steps"][-1]["run"],
    ),
    # Without bash in the image it is whatever sh is.
    "gitlab": Job(
        ".gitlab-ci.yml", ("sh", "-e", "-c"), lambda pipeline: "\n".join(pipeline["template-update"]["script"])
    ),
}


@dataclass(frozen=True)
class Situation:
    """Where a service and its template are, and what is to come of the job.

    Attributes:
        source: The ``_src_path`` of the service, or ``None`` for the path of the template.
        release: The release that the service is at.
        exit_code: That of the job.
        said: What the job tells, in its log and where the CI shows it.
    """

    source: str | None
    release: str
    exit_code: int
    said: str


SITUATIONS = {
    "a newer release": Situation(URL, FIRST, 1, "a newer release, 1.2.0: docs/updating.md"),
    "the same release": Situation(URL, THIRD, 0, "is at the newest release"),
    "in quotes": Situation(f'"{URL}"', THIRD, 0, "is at the newest release"),
    "a path": Situation(None, FIRST, 0, "which is no URL"),
    "a path as a URL": Situation("file:///home/me/template", FIRST, 0, "which is no URL"),
    "out of reach": Situation("https://nowhere.example.com/x.git", FIRST, 1, "not possible to ask https://nowhere"),
}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_job_fails_for_a_newer_release_and_if_it_cannot_tell(
    situation: Situation, begin: Callable[..., None], releases: Path, tmp_path: Path
) -> None:
    service, summary = tmp_path / "my-service", tmp_path / "summary.md"
    begin(service)
    replace(service / ANSWERS_FILE, f"_commit: {FIRST}", f"_commit: {situation.release}")
    move(service, situation.source or str(releases))
    environment = ask_git_only(releases, tmp_path) | {"GITHUB_STEP_SUMMARY": str(summary)}
    found = run_job(service, JOBS["github"], environment)
    assert found.exit_code == situation.exit_code, found.output
    assert situation.said in found.output
    assert situation.said in summary.read_text(encoding="utf-8")


def test_jobs_of_all_ci_do_the_same(
    template: Template, begin: Callable[..., None], releases: Path, tmp_path: Path
) -> None:
    """They differ in how they tell, which comes first."""
    scripts = [job.script(definition(template.render({"ci": ci}), job)).strip() for ci, job in JOBS.items()]
    assert len({script.partition("\n")[2] for script in scripts}) == 1

    service = tmp_path / "my-service"
    begin(service, ci="gitlab")
    move(service, URL)
    found = run_job(service, JOBS["gitlab"], ask_git_only(releases, tmp_path))
    assert found.exit_code == 1, found.output
    assert SITUATIONS["a newer release"].said in found.output


def test_job_does_not_take_a_failure_of_uv_for_a_newer_release(begin: Callable[..., None], tmp_path: Path) -> None:
    """2 is how uv ends where it cannot get Copier, and how Copier does that is to be quiet, for a newer release."""
    service = tmp_path / "my-service"
    begin(service, ci="gitlab")
    move(service, URL)
    found = run_job(service, JOBS["gitlab"], {"PATH": f"{fake_uvx(tmp_path, 'exit 2')}:{os.environ['PATH']}"})
    assert found.exit_code == 1
    assert "not possible to ask" in found.output
    assert "newer release," not in found.output


def test_job_finds_answers_under_another_name(begin: Callable[..., None], releases: Path, tmp_path: Path) -> None:
    """Beside those to another template, and not if they are gone."""
    service = tmp_path / "my-service"
    begin(service, ci="gitlab")
    move(service, URL)
    service.joinpath(ANSWERS_FILE).rename(service / ".copier-answers.service.yml")
    service.joinpath(ANSWERS_FILE).write_text("_commit: v1\n_src_path: gh:somebody/else\n", encoding="utf-8")
    environment = ask_git_only(releases, tmp_path)
    found = run_job(service, JOBS["gitlab"], environment)
    assert found.exit_code == 1, found.output
    assert SITUATIONS["a newer release"].said in found.output

    service.joinpath(".copier-answers.service.yml").unlink()
    found = run_job(service, JOBS["gitlab"], environment)
    assert found.exit_code == 1
    assert "There is no file with the answers of Copier here" in found.output


def definition(service: Path, job: Job) -> Any:
    """What the file of a job holds."""
    return yaml.safe_load(service.joinpath(job.file).read_text(encoding="utf-8"))


def run_job(service: Path, job: Job, environment: dict[str, str]) -> Result:
    script = job.script(definition(service, job))
    return run(*job.shell, script, cwd=service, env=environment, expected=None)


def ask_git_only(releases: Path, folder: Path) -> dict[str, str]:
    """An environment in which Copier starts quickly and nothing goes over the network."""
    uvx = fake_uvx(folder, f'exec {shlex.quote(sys.executable)} -m "$@"')
    return {"PATH": f"{uvx}:{os.environ['PATH']}"} | reachable(URL, releases, folder / "cache")


def fake_uvx(folder: Path, script: str) -> Path:
    """A folder for PATH, with a uvx that does what the script says."""
    uvx = folder / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    uvx.chmod(0o755)
    return uvx.parent


def test_job_runs_on_a_schedule_and_may_only_read(template: Template) -> None:
    github, gitlab = (template.render({"ci": ci}) for ci in JOBS)
    check_schema("vendor.github-workflows", [github / JOBS["github"].file])
    workflow = definition(github, JOBS["github"])
    # YAML takes a bare `on` for a boolean.
    assert workflow[True].keys() == {"schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    rules = definition(gitlab, JOBS["gitlab"])["template-update"]["rules"]
    assert rules == [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}]
