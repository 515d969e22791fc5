#!/usr/bin/env python3
"""Checks that `.copier-answers.yml` is as Copier wrote it, by the checksum that it carries.

An update renders the answers of this file to learn what you have changed since. With an answer that was never rendered
it takes all in which the options differ for changes of yours, and never makes the switch.
`_src_path` alone may be edited, to say that what the service was made from has moved.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ANSWERS = ".copier-answers.yml"

# The file begins with comments; the checksum, in one of them, is that of all that comes after them.
_COMMENTS = re.compile(rb"(?:#.*\n)*")
_CHECKSUM = re.compile(rb"^# sha256 of the answers: *(.*)$", re.MULTILINE)

# A long path goes on in indented lines.
_SOURCE = re.compile(rb"^_src_path:.*\n(?:(?: .*)?\n)*", re.MULTILINE)

_ADVICE = f"""
Take back what was edited by hand (of an edit that is committed, name the commit before it instead of HEAD):
    git checkout HEAD -- {ANSWERS}
Then let Copier change the answer, and with it the files. This tells first which of your edits are at stake:
    uv run poe switch-guard pool=null
    uvx copier update --data pool=null
The second one also updates to the newest version, which `--vcs-ref=:current:` leaves for another time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print which files were edited by hand; return 1 if any was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help=f"by default the nearest {ANSWERS}, here or above")
    files: list[Path] = parser.parse_args(arguments).files or _nearest(Path.cwd())
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        parser.error(f"there is no {', '.join(missing)}")

    touched = [file for file in files if not _is_untouched(file)]
    if touched:
        print(*(f"{file}: edited by hand, or by a merge" for file in touched), _ADVICE, sep="\n", file=sys.stderr)
    return 1 if touched else 0


def _nearest(folder: Path) -> list[Path]:
    """Return the answers of the service that a folder belongs to; none if its owner has given up updates."""
    return [each / ANSWERS for each in (folder, *folder.parents) if each.joinpath(ANSWERS).is_file()][:1]


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
