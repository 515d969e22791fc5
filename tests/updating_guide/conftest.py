"""Services of the first of three releases, and their owners."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import copier
import pytest

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.snapshot import commit_everything, git
from tests.harness.rendering.template import Template
from tests.harness.updating.updates import replace
from tests.updating_guide.owner import FOLLOWED, Owner
from tests.updating_guide.sources import FIRST, SECOND, THIRD

TESTS = ("test_migrations.py", "test_health.py")
"""One of the owner's and one of the kit's."""


@pytest.fixture(scope="module")
def releases(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with three releases: the working tree, one that changes much, and one that changes a line."""
    repository = tmp_path_factory.mktemp("releases") / "template"
    # What Copier reads, as it clones that for each update. A service's tests are half of it, and two are enough here.
    shutil.copytree(
        template.repository / "template",
        repository / "template",
        ignore=lambda _, names: [name for name in names if "test_" in name and name not in TESTS],
    )
    shutil.copy2(template.repository / "copier.yml", repository)
    git(repository.parent, "init", "--quiet", str(repository))
    commit_everything(repository, "The working tree", FIRST)

    files = repository / "template"
    replace(files / "Dockerfile.jinja", "-slim-trixie AS base", "-trixie AS base")
    replace(files / ".dockerignore", "\n", "\nnew-in-this-release/\n")
    files.joinpath("docs", "news.md").write_text("# News\n", encoding="utf-8")
    files.joinpath("compose.yaml.jinja").unlink()
    example = files / "src" / "app" / "{% if example %}heroes{% endif %}"
    replace(example / "models.py.jinja", '"""', '"""New in this release. ')
    example.joinpath("news.py").write_text('"""A module more."""\n', encoding="utf-8")
    commit_everything(repository, "Change much", SECOND)

    with files.joinpath("Dockerfile.jinja").open("a", encoding="utf-8") as dockerfile:
        dockerfile.write("LABEL release=third\n")
    commit_everything(repository, "Change a line", THIRD)
    return repository


@pytest.fixture(scope="module")
def begin(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Make a service of the first release, and the commit that Copier asks for."""
    made: dict[str, Path] = {}

    def begin(folder: Path, **answers: str | bool) -> None:
        key = repr(sorted(answers.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("service") / "made"
            chosen: Answers = dict(answers)
            copier.run_copy(str(releases), made[key], data=chosen, vcs_ref=FIRST, defaults=True, quiet=True)
            git(made[key], "init", "--quiet", "--initial-branch", "main")
            for name, value in {"user.name": "A person", "user.email": "person@example.com"}.items():
                git(made[key], "config", name, value)
            git(made[key], "add", "--all")
            git(made[key], "commit", "--quiet", "--message", "Start from the template")
        shutil.copytree(made[key], folder)

    return begin


@pytest.fixture
def owner(begin: Callable[..., None], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Owner]:
    """The owner of a service of the first release, who has to type what the test declares."""
    someone = Owner(tmp_path / "my-service")
    begin(someone.service)
    yield someone
    declared = FOLLOWED.get(request.function.__name__, ())
    assert set(declared) <= set(someone.typed), "the test does not type what it says that it does"
