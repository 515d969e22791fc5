#!/usr/bin/env python3
"""Runs a command in each service that a commit changes: pre-commit starts hooks at the root of the working tree.

    in_service.py [--without-names] command ... -- [file ...]

A service is a folder with this script in it. The command gets the files of that service, by their names in it, and is
not run for files of others. It may be the root itself.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

# Where a service has this script.
_ITSELF = "devtools/hooks/in_service.py"

_WITHOUT_NAMES = "--without-names"


def main(arguments: Sequence[str]) -> int:
    """Run the command and return the worst of its exit codes."""
    named = arguments[0] != _WITHOUT_NAMES
    end = arguments.index("--")
    command = arguments[0 if named else 1 : end]
    files = arguments[end + 1 :]
    worst = 0
    for service, names in _by_service(files or _staged()).items():
        if service != PurePath():
            print(f"In {service}:", flush=True)
        handed_on = names if named and files else []
        ended = subprocess.run([*command, *handed_on], cwd=service, env=_environment(), check=False)
        worst = max(worst, abs(ended.returncode))
    return worst


def _by_service(files: Sequence[str]) -> dict[PurePath, list[str]]:
    services: dict[PurePath, list[str]] = {}
    for file in map(PurePath, files):
        service = next((folder for folder in file.parents if Path(folder, _ITSELF).is_file()), None)
        if service is not None:
            services.setdefault(service, []).append(str(file.relative_to(service)))
    return services


def _staged() -> list[str]:
    """Return what the commit changes. What it deletes is among it, and pre-commit names no such file."""
    listed = subprocess.run(["git", "diff", "--cached", "--name-only", "-z"], check=True, capture_output=True)
    return [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]


def _environment() -> dict[str, str]:
    """Return this environment, in which what git says to its hooks counts from the root."""
    environment = dict(os.environ)
    for name in {"GIT_DIR", "GIT_INDEX_FILE"} & environment.keys():
        environment[name] = str(Path.cwd() / environment[name])
    if "GIT_DIR" in environment:
        environment.setdefault("GIT_WORK_TREE", str(Path.cwd()))
    return environment


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
