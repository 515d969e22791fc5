"""The Python interpreters of this machine, and which combination runs on which."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.questions import questions
from tests.harness.running.services import OWN_INTERPRETER

OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""What this test run itself runs on."""


def versions() -> list[str]:
    """The versions that the template offers, lowest first."""
    return sorted(map(str, questions()["python_version"].choices), key=lambda version: int(version.partition(".")[2]))


@cache
def find_interpreter(version: str) -> str | None:
    """Where a version is, asking uv and looking where version managers keep what uv does not see."""
    search_path = [os.environ.get("UV_PYTHON_SEARCH_PATH", ""), *_version_managers(), os.environ.get("PATH", "")]
    found = subprocess.run(
        ["uv", "python", "find", "--no-project", "--no-python-downloads", "--system", version],
        env={**os.environ, "UV_PYTHON_SEARCH_PATH": os.pathsep.join(filter(None, search_path))},
        check=False,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() if found.returncode == 0 else None


def interpreter(version: str) -> str:
    """Where a version is that is known to be here."""
    found = OWN_INTERPRETER if version == OWN_VERSION else find_interpreter(version)
    assert found is not None, f"Python {version} has gone"
    return found


def further_versions() -> list[str]:
    """The versions, beside this run's own, that are installed here."""
    return [version for version in versions() if version != OWN_VERSION and find_interpreter(version)]


def share_out(further: list[str]) -> dict[Combination, str]:
    """Choose combinations for further versions: for each of these, some with PostgreSQL and some without.

    They are those of a whole group, in which the kit is the same: so its tests need no other run for a further version.
    Where there are fewer groups than versions, all but the first group are shared out.
    """
    chosen: dict[Combination, str] = {}
    for uses_postgres in (True, False):
        alike = [combination for combination in combinations() if combination.uses_postgres is uses_postgres]
        own, *others = sorted({combination.group for combination in alike})
        if len(others) >= len(further):
            # As far apart as can be, so that they differ in as many answers.
            apart = len(others) // max(len(further), 1)
            of_group = {others[apart * number]: version for number, version in enumerate(further)}
            chosen |= {each: of_group[each.group] for each in alike if each.group in of_group}
        else:
            rest = [combination for combination in alike if combination.group != own]
            chosen |= {each: further[number % len(further)] for number, each in enumerate(rest)}
    return chosen


@cache
def _shared_out() -> dict[Combination, str]:
    # Where UV_PYTHON asks for one version, as in a CI that has a job for each, the others are not meant.
    return share_out([] if "UV_PYTHON" in os.environ else further_versions())


def version_for(combination: Combination) -> str:
    """The version that a combination runs on."""
    return _shared_out().get(combination, OWN_VERSION)


def _version_managers() -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(folder) for folder in sorted(pyenv.glob("versions/*/bin"))]
