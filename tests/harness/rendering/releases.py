"""The releases of this template, as its own history tells them, because a clone may lack the tags.

A release is the commit that gave ``pyproject.toml`` its version; between releases the version ends with ``.dev0``.
``poe release`` tags the commit at hand as one, after it has checked that everything agrees.

Services are updated from 1.0 on. What was made before has no way to here but to move: see the changelog.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache

import yaml

from tests.harness.rendering.questions import ROOT, Answers, questions
from tests.harness.rendering.snapshot import TAG, git

CHANGELOG = ROOT / "CHANGELOG.md"

FIRST_TO_UPDATE_FROM = (1, 0, 0)

_FINAL = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True)
class Release:
    """A version that services were made from."""

    version: str
    commit: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))

    def has_asked(self, answers: Answers) -> bool:
        """Whether it could be given these answers: a question that came later has its first choice there."""
        later = {name: answer for name, answer in answers.items() if name not in _asked(self.commit)}
        return all(answer == questions()[name].choices[0] for name, answer in later.items())

    def __str__(self) -> str:
        return self.tag


@cache
def _asked(commit: str) -> frozenset[str]:
    """The names of the questions, and of Copier's own settings, in a commit."""
    return frozenset(yaml.safe_load(git(ROOT, "show", f"{commit}:copier.yml")))


@cache
def is_shallow() -> bool:
    """Whether this clone has only a part of the history."""
    return git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true"


@cache
def history() -> list[Release]:
    """Every release that there ever was, the oldest first.

    Raises:
        RuntimeError: The clone is shallow, so its history does not tell.
    """
    if is_shallow():
        raise RuntimeError(
            "This clone has only a part of the history, and the tests update services from each release in it: "
            "run `git fetch --unshallow` first."
        )
    found: dict[str, Release] = {}
    changed = git(ROOT, "log", "--reverse", "--format=%H", "-G^version = ", "--", "pyproject.toml").split()
    for commit in changed:
        version = _version(git(ROOT, "show", f"{commit}:pyproject.toml"))
        if _FINAL.fullmatch(version):
            found[version] = Release(version, commit)
    return sorted(found.values(), key=lambda release: release.numbers)


def releases() -> list[Release]:
    """The releases that services are updated from, the oldest first: none before 1.0 is in the history."""
    return [release for release in history() if release.numbers >= FIRST_TO_UPDATE_FROM]


def starting_points(answers: Answers | None = None) -> list[str]:
    """The tags of the releases that services, those with these answers, are updated from.

    The working tree stands for the first of them until that is there.
    """
    return [each.tag for each in releases() if answers is None or each.has_asked(answers)] or [TAG]


def own_version() -> str:
    """The version of the working tree."""
    return _version(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))


def problems_of_release() -> list[str]:
    """What keeps the commit at hand from being tagged as a release."""
    version = own_version()
    problems = []
    if not _FINAL.fullmatch(version):
        problems.append(f"pyproject.toml has version {version}: write the version to release, such as 1.2.0.")
    if git(ROOT, "status", "--porcelain"):
        problems.append("the working tree has changes: commit them first.")
    if [release for release in history() if release.version == version and release.commit != _head()]:
        problems.append(f"version {version} is that of an earlier commit: a release is the commit that sets it.")
    if git(ROOT, "tag", "--list", f"v{version}").strip():
        problems.append(f"there is a tag v{version} already: versions are never used again.")
    return problems + problems_of_changelog(CHANGELOG.read_text(encoding="utf-8"), version)


def problems_of_changelog(text: str, version: str) -> list[str]:
    """What is missing in the changelog for a version that is to be released."""
    heading = rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d"
    released, unreleased = _section(text, heading), _section(text, r"\[Unreleased\]")
    problems = []
    if released is None:
        problems.append(f"CHANGELOG.md has no section `## [{version}] - YEAR-MONTH-DAY`.")
    elif not re.search(r"^- ", released, re.MULTILINE):
        problems.append(f"CHANGELOG.md says nothing about {version}.")
    if unreleased is None:
        problems.append("CHANGELOG.md has no section `## [Unreleased]`.")
    elif unreleased.strip():
        problems.append("CHANGELOG.md still has changes under `## [Unreleased]`: move them to the version's section.")
    if not re.search(rf"^\[{re.escape(version)}\]: \S+v{re.escape(version)}$", text, re.MULTILINE):
        problems.append(f"CHANGELOG.md has no link for [{version}] at its end.")
    return problems


def _section(text: str, heading: str) -> str | None:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |^\[)", text, re.MULTILINE | re.DOTALL)
    return None if found is None else found[1]


def _version(pyproject: str) -> str:
    return str(tomllib.loads(pyproject)["project"]["version"])


def _head() -> str:
    return git(ROOT, "rev-parse", "HEAD").strip()


def main() -> None:
    """Tag the commit at hand as the release that its version says it is."""
    try:
        problems = problems_of_release()
    except RuntimeError as problem:
        sys.exit(str(problem))
    if problems:
        sys.exit("\n".join(["This cannot be released:", *(f"- {problem}" for problem in problems)]))
    tag = f"v{own_version()}"
    git(ROOT, "tag", "--annotate", tag, "--message", tag)
    print(f"Tagged {tag}. To publish it: git push origin {tag}")


if __name__ == "__main__":
    main()
