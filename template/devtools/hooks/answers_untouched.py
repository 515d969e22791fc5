#!/usr/bin/env python3
"""Checks that the answers of Copier are as Copier wrote them, by the checksum that their file carries.

That file is `.copier-answers.yml`, unless `copier copy --answers-file` named another: it is known by what is in it.

An update renders the answers of that file to learn what you have changed since. With an answer that was never rendered
it takes all in which the options differ for changes of yours, and never makes the switch.
`_src_path` alone may be edited, to say that what the service was made from has moved.
"""

import argparse
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

ANSWERS = ".copier-answers.yml"

# Where a service has this script.
_ITSELF = "devtools/hooks/answers_untouched.py"

# What Copier notes for whatever it renders, and what only the answers of a service like this one have.
_OF_COPIER = re.compile(rb"^_src_path:", re.MULTILINE)
_OURS = re.compile(rb"^# sha256 of the answers:|^data_access:", re.MULTILINE)

# The file begins with comments; the checksum, in one of them, is that of all that comes after them.
_COMMENTS = re.compile(rb"(?:#.*\n)*")
_CHECKSUM = re.compile(rb"^# sha256 of the answers: *(.*)$", re.MULTILINE)

# A long path goes on in indented lines.
_SOURCE = re.compile(rb"^_src_path:.*\n(?:(?: .*)?\n)*", re.MULTILINE)

_ADVICE = """
Take back what was edited by hand (of an edit that is committed, name the commit before it instead of HEAD):
    git checkout HEAD -- {file}
Then let Copier change the answer, and with it the files. This tells first which of your edits are at stake:
    uv run poe switch-guard pool=null
    uvx copier update{answers_file} --data pool=null
The second one also updates to the newest version, which `--vcs-ref=:current:` leaves for another time."""

_NOTHING_FOUND = """\
{folder}: no file with the answers of Copier, so there is nothing to check, and no update is possible.
It belongs into this very folder and ends in .yml or .yaml; docs/updating.md says how to bring it back. If you have
given up updates, delete the task `answers` in pyproject.toml, and answers-untouched and switch-guard in
.pre-commit-config.yaml."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print which files were edited by hand; return 1 if any was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="by default those of the service here or above")
    given: list[Path] = parser.parse_args(arguments).files
    missing = [str(file) for file in given if not file.is_file()]
    if missing:
        parser.error(f"there is no {', '.join(missing)}")
    for file in given:
        content = file.read_bytes()
        if _OF_COPIER.search(content) and not _OURS.search(content):
            print(f"{file}: answers that belong to something else, so not checked.")

    root = _root(Path.cwd())
    files = [file for file in given if _OURS.search(file.read_bytes())] if given else _answers_in(root)
    if not files and not given:
        print(_NOTHING_FOUND.format(folder=root), file=sys.stderr)
        return 1
    touched = [file for file in files if not _is_untouched(file)]
    if touched:
        print(*(f"{file}: edited by hand, or by a merge" for file in touched), sep="\n", file=sys.stderr)
        print(_advice(touched[0]), file=sys.stderr)
    return 1 if touched else 0


def _root(folder: Path) -> Path:
    """Return the service that a folder belongs to, or the folder itself."""
    for each in (folder, *folder.parents):
        if each.joinpath(_ITSELF).is_file() or _answers_in(each):
            return each
    return folder


def _answers_in(folder: Path) -> list[Path]:
    """Return the files of a folder that hold the answers."""
    names = (name for end in ("yml", "yaml") for name in folder.glob(f"*.{end}"))
    return sorted(file for file in names if file.is_file() and _OURS.search(file.read_bytes()))


def _advice(file: Path) -> str:
    answers_file = "" if file.name == ANSWERS else f" --answers-file {shlex.quote(file.name)}"
    return _ADVICE.format(file=shlex.quote(os.path.relpath(file)), answers_file=answers_file)


def _is_untouched(file: Path) -> bool:
    # Git may have checked it out with the line ends of Windows.
    content = file.read_bytes().replace(b"\r\n", b"\n")
    comments = _COMMENTS.match(content)
    end_of_comments = comments.end() if comments else 0
    written = _CHECKSUM.search(content, 0, end_of_comments)
    if written is None:
        # Nobody can tell, and the owner can do nothing about it but update: no reason to stop a commit.
        print(f"{file}: written before there was a checksum, so not checked. The next `copier update` adds it.")
        return True
    answers = _SOURCE.sub(b"", content[end_of_comments:])
    return written[1] == hashlib.sha256(answers).hexdigest().encode()


if __name__ == "__main__":
    sys.exit(main())
