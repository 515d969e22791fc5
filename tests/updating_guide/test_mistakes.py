"""What is wrong before an update is named in one message, and nothing changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.rendering.snapshot import git
from tests.harness.updating.copier_cli import run_copier
from tests.harness.updating.updates import Tree, replace, tree
from tests.updating_guide.owner import ANSWERS_FILE, WRONG_PAIR, Owner, edit_answers
from tests.updating_guide.sources import FIRST, SECOND, TAG_IS_GONE_URL, move, reachable


@dataclass(frozen=True)
class Mistake:
    """What can be wrong before an update, and what Copier says then.

    Attributes:
        make: Makes the mistake in a service.
        messages: What must be among what is printed.
        options: Further ones of ``copier update``.
        source: Where the template is instead, given the folder of one that has lost its first tag.
    """

    make: Callable[[Path], object]
    messages: tuple[str, ...]
    options: tuple[str, ...] = ()
    source: Callable[[Path], str] | None = None


def nothing(_: Path) -> None:
    """No mistake in the service itself."""


def lose_the_answers(service: Path) -> None:
    git(service, "rm", "--quiet", ANSWERS_FILE)
    git(service, "commit", "--quiet", "--message", "Lose the answers")


DIRTY = "Destination repository is dirty; cannot continue. Please commit or stash your local changes and retry."
SRC_PATH = r"^_src_path:.*$"

MISTAKES = {
    "a changed file": Mistake(lambda service: replace(service / "README.md", "#", "# Our"), (DIRTY,)),
    "a new file": Mistake(lambda service: service.joinpath("new.txt").write_text("", encoding="utf-8"), (DIRTY,)),
    "outside of git": Mistake(
        lambda service: shutil.rmtree(service / ".git"), ("Updating is only supported in git-tracked subprojects.",)
    ),
    "no release": Mistake(
        edit_answers(r"^_commit:.*\n", ""),
        (f"Cannot update because cannot obtain old template references from `{ANSWERS_FILE}`.",),
    ),
    "no source": Mistake(edit_answers(r"^_src_path:.*\n", ""), ("TypeError: Template not found",)),
    "no answers": Mistake(lose_the_answers, ("TypeError: Template not found",)),
    "answers that exclude each other": Mistake(edit_answers(*WRONG_PAIR), ("ValueError: Invalid choice for 'pool':",)),
    "path to nowhere": Mistake(
        edit_answers(SRC_PATH, "_src_path: /nowhere/template"), ("ValueError: Local template must be a directory.",)
    ),
    "URL to nowhere": Mistake(
        edit_answers(SRC_PATH, "_src_path: file:///nowhere/template.git"),
        ("Unexpected exit code: 128", "git ls-remote", "Stderr:"),
    ),
    "no such tag at a path": Mistake(nothing, ("ValueError: Unknown revision: 'v1.0.0'",), source=str),
    "no such tag at a URL": Mistake(nothing, ("fatal: invalid reference: v1.0.0",), source=lambda _: TAG_IS_GONE_URL),
    "backwards": Mistake(
        edit_answers("^_commit:.*$", f"_commit: {SECOND}"),
        ("Downgrades are not supported.",),
        options=("--vcs-ref", FIRST),
    ),
}


@pytest.fixture(scope="module")
def tag_is_gone(releases: Path) -> Path:
    """The template, without the release that services are made from."""
    clone = releases.with_name("tag-is-gone")
    git(releases.parent, "clone", "--quiet", str(releases), str(clone))
    git(clone, "tag", "--delete", FIRST)
    return clone


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_named_and_nothing_changes(
    mistake: Mistake, owner: Owner, tag_is_gone: Path, tmp_path: Path
) -> None:
    mistake.make(owner.service)
    if mistake.source is not None:
        move(owner.service, mistake.source(tag_is_gone))
        owner.commits()
    before, status = everything(owner.service)
    owner.environment |= reachable(TAG_IS_GONE_URL, tag_is_gone, tmp_path / "cache")
    ended = run_copier(["update", "--defaults", *mistake.options], owner.service, owner.environment)
    assert ended.exit_code == 1
    for message in mistake.messages:
        assert message in ended.output
    assert len(re.findall(r"^\S*Error\b|^\S*Traceback", ended.output, re.MULTILINE)) in {0, 2}, "more than one message"
    assert everything(owner.service) == (before, status)


def everything(service: Path) -> tuple[Tree, str]:
    """What is in a service, and what git says about it if there is git."""
    if not service.joinpath(".git").exists():
        return tree(service), ""
    return tree(service), git(service, "status", "--porcelain", "--branch") + git(service, "rev-parse", "HEAD")
