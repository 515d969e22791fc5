"""The Python interpreters of this machine, and which combination runs on which."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.harness.combinations import Combination, combinations
from tests.harness.questions import questions
from tests.harness.services import OWN_INTERPRETER

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
    """Choose combinations for further versions: for each of these, one with PostgreSQL and one without."""
    chosen: dict[Combination, str] = {}
    for uses_postgres in (True, False):
        alike = [combination for combination in combinations() if combination.uses_postgres is uses_postgres]
        # As far apart as can be, so that they differ in as many answers.
        apart = len(alike) // (len(further) + 1)
        chosen |= {alike[apart * number]: version for number, version in enumerate(further, start=1)}
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
