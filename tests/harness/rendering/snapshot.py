"""A clone of this repository with the working tree as it is now, committed and tagged as its newest release.

Copier renders releases. A test has to see what is being written, uncommitted files included, by the same road that
a user's ``copier copy`` and ``copier update`` take.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.harness.rendering.questions import ROOT

TAG = "v9999"

A_PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A person"), ("EMAIL", "person@example.com"))
}
"""The environment of someone whom git knows."""

_IDENTITY = ("-c", "user.name=Template tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed."""
    command = ["git", *_IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit_everything(repository: Path, message: str, tag: str) -> None:
    """Commit all files of a folder, ignored ones too, and tag the commit."""
    git(repository, "add", "--all", "--force")
    _commit(repository, message)
    git(repository, "tag", "--force", tag)


def commit(repository: Path, message: str) -> None:
    """Commit all files of a folder, as its owner would."""
    git(repository, "add", "--all")
    _commit(repository, message)


def _commit(repository: Path, message: str) -> None:
    git(repository, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)


def working_tree() -> list[str]:
    """The files that are tracked or could be: what is ignored belongs to nobody's checkout."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted(name for name in set(names) - {""} if ROOT.joinpath(name).is_file())


def take_snapshot(destination: Path) -> None:
    """Make the clone. Its history is the real one, so that earlier releases can be rendered from it too."""
    git(ROOT, "clone", "--quiet", "--no-checkout", str(ROOT), str(destination))
    for name in working_tree():
        copy = destination / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    commit_everything(destination, "The working tree", TAG)
