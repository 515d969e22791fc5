#!/usr/bin/env python3
"""Finds what a merge or an update left to settle: conflict markers, `*.rej` files, unmerged paths.

Give it the names of files, or none to look through all that git tracks or would track. The other two are looked for
in the whole service either way. A lone `=======` is no finding: it underlines headings.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

# Where a service has this script.
_ITSELF = "devtools/hooks/no_conflict_markers.py"

_MARKER = re.compile(rb"^(?:<{7}|\|{7}|>{7}) .*", re.MULTILINE)

# Where git, too, looks for a NUL byte to tell a binary file.
_BEGINNING = 8000

# Each of these marks a folder that tools fill and nobody edits.
_NOT_ONES_OWN = ("CACHEDIR.TAG", "pyvenv.cfg")

_ADVICE = """
Settle each of them: keep what is right of both sides and delete the lines with the markers; make the changes that a
.rej file asks for and delete that file. Then `git add` what you have settled."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is to be settled; return 1 if there is anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="where to look for markers, by default everywhere")
    given: list[Path] = parser.parse_args(arguments).files
    missing = [str(file) for file in given if not file.exists()]
    if missing:
        parser.error(f"there is no {', '.join(missing)}")

    root = _root(Path.cwd())
    everything = _files(root)
    findings = [
        *(f"{path.as_posix()}: could not be applied" for path in _rejected(root, everything)),
        *(f"{path.as_posix()}: unmerged" for path in _paths_from_git(root, "--unmerged") or []),
        *(finding for file in given for finding in _markers(file, file)),
        *(finding for file in everything if not given for finding in _markers(root / file, file)),
    ]
    if findings:
        print(*findings, _ADVICE, sep="\n", file=sys.stderr)
    return 1 if findings else 0


def _root(folder: Path) -> Path:
    """Return the service that a folder belongs to, or the folder itself."""
    return next((each for each in (folder, *folder.parents) if each.joinpath(_ITSELF).is_file()), folder)


def _files(root: Path) -> list[Path]:
    """Return every file that somebody may have edited, relative to the root."""
    paths = _paths_from_git(root, "--cached", "--others", "--exclude-standard")
    # An image in which a CI runs the checks need not have git.
    return sorted(_walk(root)) if paths is None else paths


def _paths_from_git(root: Path, *options: str) -> list[Path] | None:
    """Ask git for paths; None without git and outside of its working trees."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", *options], cwd=root, check=False, capture_output=True)
    except FileNotFoundError:
        return None
    if listed.returncode:
        return None
    # With `--unmerged` a path comes up to three times, after a tab.
    names = {entry.rpartition(b"\t")[2] for entry in listed.stdout.split(b"\0") if entry}
    return sorted(Path(os.fsdecode(name)) for name in names)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [each for each in folders if each != ".git" and not _is_filled_by_a_tool(Path(folder, each))]
        yield from (Path(folder, name).relative_to(root) for name in names)


def _is_filled_by_a_tool(folder: Path) -> bool:
    return any(folder.joinpath(name).exists() for name in _NOT_ONES_OWN)


def _rejected(root: Path, everything: list[Path]) -> list[Path]:
    """Return the `*.rej` files, and those that git ignores if they lie beside the file that they are for."""
    beside = (path.with_name(f"{path.name}.rej") for path in everything)
    found = {path for path in (*everything, *beside) if path.suffix == ".rej"}
    return sorted(path for path in found if root.joinpath(path).exists())


def _markers(file: Path, shown_as: Path) -> Iterator[str]:
    # A tracked file may be deleted, a submodule, or a link to what is looked at under its own name.
    if file.is_symlink() or not file.is_file():
        return
    content = file.read_bytes()
    if b"\0" in content[:_BEGINNING]:
        return
    for marker in _MARKER.finditer(content):
        line = content.count(b"\n", 0, marker.start()) + 1
        yield f"{shown_as.as_posix()}:{line}: {marker[0].decode(errors='replace').strip()}"


if __name__ == "__main__":
    sys.exit(main())
