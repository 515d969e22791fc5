"""The Python interpreters of this machine that a service may run on."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.harness.questions import questions


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


def _version_managers() -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(folder) for folder in sorted(pyenv.glob("versions/*/bin"))]
