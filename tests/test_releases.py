"""A release is what its version, its changelog and its tag say, and can be found again in any clone."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.harness.rendering.questions import ROOT
from tests.harness.rendering.releases import (
    CHANGELOG,
    history,
    own_version,
    problems_of_changelog,
    releases,
    starting_points,
)
from tests.harness.rendering.snapshot import A_PERSON, TAG, commit, git
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run

LINKS = """
[Unreleased]: ../../compare/v1.2.0...HEAD
[1.2.0]: ../../compare/v1.1.0...v1.2.0
"""

READY = f"# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- Something.\n{LINKS}"


def test_history_knows_the_releases() -> None:
    assert next(release.version for release in history()) == "0.1.0"


def test_services_are_updated_from_1_0_on() -> None:
    later = [release.tag for release in history() if not release.version.startswith("0.")]
    assert [release.tag for release in releases()] == later
    assert starting_points() == (later or [TAG])


def test_no_service_begins_with_a_release_that_has_not_asked() -> None:
    """Which of the keys a service has was asked after 1.0.0; until then they were numbers."""
    first = releases()[0]
    assert first.has_asked({"driver": "psycopg", "keys": "bigint"})
    assert not first.has_asked({"driver": "psycopg", "keys": "uuidv7"})
    assert first.tag in starting_points({"keys": "bigint"})
    assert first.tag not in starting_points({"keys": "uuidv7"})


def test_tags_that_a_clone_has_are_on_the_commits_of_their_releases() -> None:
    tagged = {tag: git(ROOT, "rev-list", "-1", tag).strip() for tag in git(ROOT, "tag", "--list", "v*").split()}
    assert tagged.items() <= {(release.tag, release.commit) for release in history()}


def test_changelog_has_every_release_and_no_other() -> None:
    headings = re.findall(r"^## \[(\d.*?)\]", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    # The newest may be the one that is being made.
    versions = dict.fromkeys([*(release.version for release in history()), *({own_version()} & set(headings))])
    assert headings == [*reversed(versions)]


def test_changelog_that_is_ready_is_taken() -> None:
    assert problems_of_changelog(READY, "1.2.0") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (READY.replace("## [1.2.0]", "## [1.1.0]"), "has no section `## [1.2.0]"),
        (READY.replace(" - 2026-01-31", ""), "has no section `## [1.2.0]"),
        (READY.replace("- Something.", ""), "says nothing about 1.2.0"),
        (READY.replace("## [Unreleased]\n", "## [Unreleased]\n\n- More.\n"), "still has changes"),
        (READY.replace("## [Unreleased]\n", ""), "has no section `## [Unreleased]`"),
        (READY.replace("[1.2.0]: ", "[1.3.0]: "), "has no link for [1.2.0]"),
    ],
)
def test_changelog_that_is_not_ready_is_refused_with_a_reason(text: str, problem: str) -> None:
    (found,) = problems_of_changelog(text, "1.2.0")
    assert problem in found


def test_release_is_tagged_when_everything_agrees_and_only_then(template: Template, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--no-tags", str(template.repository), "clone")
    clone = tmp_path / "clone"
    _set_version(clone, "91.0.0.dev0")
    commit(clone, "Work")
    assert "write the version to release" in _release(clone, expected=1)

    _set_version(clone, "91.0.0")
    clone.joinpath("CHANGELOG.md").write_text(READY.replace("1.2.0", "91.0.0"), encoding="utf-8")
    assert "has changes: commit them first" in _release(clone, expected=1)
    commit(clone, "Release 91.0.0")
    assert git(clone, "tag", "--list") == ""

    assert "git push origin v91.0.0" in _release(clone)
    assert git(clone, "rev-list", "-1", "v91.0.0") == git(clone, "rev-list", "-1", "HEAD")
    assert "there is a tag v91.0.0 already" in _release(clone, expected=1)

    git(clone, "tag", "--delete", "v91.0.0")
    commit(clone, "One more thing")
    assert "is that of an earlier commit" in _release(clone, expected=1)
    assert git(clone, "tag", "--list") == ""


def test_shallow_clone_is_told_apart_from_one_without_releases(template: Template, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{template.repository}", "clone")
    assert "git fetch --unshallow" in _release(tmp_path / "clone", expected=1)


def _set_version(clone: Path, version: str) -> None:
    project = clone / "pyproject.toml"
    text = re.sub(
        r'^version = ".*"$', f'version = "{version}"', project.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    project.write_text(text, encoding="utf-8")


def _release(clone: Path, *, expected: int = 0) -> str:
    """What ``poe release`` prints in a clone."""
    return run(
        sys.executable, "-m", "tests.harness.rendering.releases", cwd=clone, env=A_PERSON, expected=expected
    ).output
