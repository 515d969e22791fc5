"""Services that were made some time ago, what an update leaves of them, and whether that is what it should be."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.snapshot import commit, git
from tests.harness.rendering.template import Template

MARKER = re.compile(rb"^(<{7} |\|{7} |>{7} )", re.MULTILINE)

Tree = dict[str, tuple[str, bytes]]
"""What a folder holds: for each path its kind and mode, and its content."""


def begin_service(template: Template, folder: Path, answers: Answers, tag: str) -> Path:
    """Render a release and make the first commit, as the message after copying says."""
    return begin(template.render_to(folder, answers, tag))


def begin(service: Path) -> Path:
    """Put a service under git and make its first commit."""
    git(service, "init", "--quiet", "--initial-branch", "main")
    commit(service, "Start from the template")
    return service


def replace(file: Path, old: str, new: str) -> None:
    """Replace the first place of a text, which must be there, in a file."""
    content = file.read_bytes()
    assert old.encode() in content, f"{file.name} has no {old!r} any more"
    file.write_bytes(content.replace(old.encode(), new.encode(), 1))


def tree(folder: Path) -> Tree:
    """Everything in a folder but git's own."""
    return {
        path.relative_to(folder).as_posix(): _what(path)
        for path in sorted(folder.rglob("*"))
        if path.relative_to(folder).parts[0] != ".git"
    }


def _what(path: Path) -> tuple[str, bytes]:
    mode = stat.filemode(path.lstat().st_mode)
    return (mode, b"") if path.is_dir() else (mode, path.read_bytes())


def differences(found: Tree, expected: Tree) -> list[str]:
    """Where a folder is not, byte for byte, what it should be."""
    return [
        *(f"{path} is missing" for path in sorted(expected.keys() - found.keys())),
        *(f"{path} should not be there" for path in sorted(found.keys() - expected.keys())),
        *(
            f"{path} differs{'' if found[path][0] == expected[path][0] else f': {found[path][0]}, {expected[path][0]}'}"
            for path in sorted(found.keys() & expected.keys())
            if found[path] != expected[path]
        ),
    ]


def signs_of_a_conflict(service: Path, held: Tree) -> list[str]:
    """What an update leaves in a service, which holds this now, where it could not merge: Copier does not tell."""
    unmerged = sorted({line.split("\t")[1] for line in git(service, "ls-files", "--unmerged").splitlines()})
    return [
        *(f"{path} is unmerged" for path in unmerged),
        *(f"{path} is what could not be applied" for path in held if path.endswith((".rej", ".orig"))),
        *(f"{path} has conflict markers" for path, (_, content) in held.items() if MARKER.search(content)),
    ]


def assert_updated(service: Path, expected: Tree) -> None:
    """Check that a service is what it should be after an update, and that git agrees that nothing is in conflict."""
    held = tree(service)
    problems = [*signs_of_a_conflict(service, held), *differences(held, expected)]
    assert not problems, "\n".join(["the updated service is not what it should be:", *problems])
