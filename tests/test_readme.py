"""The README's commands do what it says, on a clone with nothing but what is in the repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.rendering import content
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.questions import ROOT, questions
from tests.harness.rendering.snapshot import A_PERSON, git
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run
from tests.harness.running.services import OWN_INTERPRETER
from tests.harness.updating.copier_cli import run_copier

SCAFFOLD = 'pip install uv && uvx copier copy --defaults "$PWD" ../my-service'
TEST = "pip install uv && uv run pytest"

README = ROOT.joinpath("README.md").read_text(encoding="utf-8") if ROOT.joinpath("README.md").exists() else ""


@pytest.fixture(scope="module")
def fresh_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python as a newcomer's machine has it: with pip and without uv. Returns the folder to put on PATH."""
    folder = tmp_path_factory.mktemp("python") / "fresh"
    run(OWN_INTERPRETER, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin"


@pytest.fixture
def clone(template: Template, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(template.repository), "template")
    return tmp_path / "template"


@pytest.fixture
def environment(fresh_python: Path) -> dict[str, str]:
    """What a newcomer's shell knows."""
    # uv is what pip installs into the fresh Python, and not what runs these tests.
    return {"PATH": f"{fresh_python}:{os.environ['PATH']}", "UV": "", "PIP_REQUIRE_VIRTUALENV": "", **A_PERSON}


def test_readme_has_the_commands() -> None:
    blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", README, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    assert SCAFFOLD in lines
    assert TEST in lines
    assert "uv run poe dev" in README


def test_readme_is_short_and_contributing_names_every_module() -> None:
    assert len(README.splitlines()) < 120
    contributing = ROOT.joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = [path.name for path in ROOT.glob("tests/test_*.py")]
    assert [name for name in modules if f"`{name}`" not in contributing] == []


def test_readme_lists_every_question_and_every_choice() -> None:
    rows = {cells[1].strip(" `"): line for line in README.splitlines() if len(cells := line.split("|")) > 3}
    for name, question in questions().items():
        for choice in question.choices:
            assert f"`{str(choice).lower() if isinstance(choice, bool) else choice}`" in rows[name], (name, choice)


def test_readme_shows_its_pictures() -> None:
    shown = dict(re.findall(r"!\[(.{30,}?)\]\((docs/pictures/.+?\.png)\)", README))
    assert sorted(shown.values()) == sorted(
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/pictures/*.png")
    )
    for picture in shown.values():
        content = ROOT.joinpath(picture).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
        assert width == 1920  # two pixels for each of the browser's
        assert 1000 < height < 2500
        assert len(content) < 250_000


@pytest.mark.slow
def test_scaffolding_and_the_steps_that_it_prints(
    clone: Path, template: Template, environment: dict[str, str], fresh_python: Path
) -> None:
    printed = run("bash", "-c", SCAFFOLD, cwd=clone, env=environment).output
    assert fresh_python.joinpath("uv").exists()
    service = clone.parent / "my-service"
    in_process = template.render({})
    names = [
        {path.relative_to(folder).as_posix() for path in content.files(folder)} for folder in (service, in_process)
    ]
    assert names[0] == names[1]
    for name in names[0] - {".copier-answers.yml"}:
        assert service.joinpath(name).read_bytes() == in_process.joinpath(name).read_bytes(), name

    steps = re.findall(r"^ +\d\. (.+)$", printed, re.MULTILINE)
    assert [step.split("  ")[0] for step in steps[2:4]] == ["uv run pytest", "uv run poe dev"], printed
    as_printed = "\n".join(["set -e", *steps[:2], "git status --porcelain", "git log --format=%s"])
    output = run("bash", "-c", as_printed, cwd=clone, env=environment).output
    assert output.rstrip().endswith("Start from the template"), output
    (later,) = re.findall(r"^Later, with a clean working tree: +(.+)$", printed, re.MULTILINE)
    run("bash", "-c", f"{later} --defaults", cwd=service, env=environment)
    assert git(service, "status", "--porcelain") == ""
    for step in steps[1:4]:
        assert step.split("  ")[0] in README, "the README shows other steps than Copier prints"


@pytest.mark.slow
def test_template_that_the_service_could_not_find_again_is_pointed_out(clone: Path) -> None:
    """Copier remembers a relative path as it is, and looks for it from inside the service."""
    sources = {
        ".": True,
        "../template": True,
        "sub/../../template": True,
        str(clone): False,
        f"git+file://{clone}": False,
    }
    clone.joinpath("sub").mkdir()
    # Where Copier keeps a mirror of what has a URL.
    environment = {**A_PERSON, "COPIER_CACHE_DIR": str(clone.parent / "cache")}
    for number, (source, warned) in enumerate(sources.items()):
        copied = run_copier(["copy", "--defaults", source, f"../service-{number}"], clone, environment)
        assert copied.exit_code == 0, copied.output
        assert ("write the template's full path" in copied.output) is warned, copied.output


def test_service_in_a_repository_that_is_there_gets_none_of_its_own(clone: Path) -> None:
    """And where its answers have another name, the update that is named next is given it."""
    for folder, options, own, told in (
        ("../alone", [], True, "update\n"),
        ("services/orders", ["--answers-file", "its answers.yml"], False, "update --answers-file 'its answers.yml'\n"),
    ):
        copied = run_copier(["copy", "--defaults", str(clone), *options, folder], clone, A_PERSON)
        assert copied.exit_code == 0, copied.output
        assert ("2. git init" in copied.output) is own
        assert ("In a subfolder of a repository" in copied.output) is not own
        assert f"Later, with a clean working tree:  uvx copier {told}" in copied.output


@pytest.mark.slow
def test_a_clone_runs_its_tests(clone: Path, environment: dict[str, str]) -> None:
    """One step of one combination stands for all: what they need is in the repository, and in nobody's home.

    All modules are imported for it, by one process: others would import the same ones.
    """
    names = [str(each) for each in combinations()]
    alone = next(name for name in names if sum(name in other for other in names) == 1)
    command = f"{TEST} -n0 -k '{alone} and test_format'"
    output = run("bash", "-c", command, cwd=clone, env=environment).output
    assert "1 passed" in output


def test_ci_shares_out_every_combination() -> None:
    """The workflow's jobs take their share from the list that the tests are made of."""

    def listed(*options: str) -> list[str]:
        command = [sys.executable, "-m", "tests.harness.rendering.combinations", *options]
        printed = subprocess.run(command, cwd=ROOT, env=os.environ, check=True, capture_output=True, text=True).stdout
        names = json.loads(printed)
        assert isinstance(names, list)
        return names

    groups = listed("--groups")
    for name in listed():
        assert len([group for group in groups if group in name]) == 1
