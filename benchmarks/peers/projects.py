"""A project that another generator makes: generated, installed, and given the heroes API."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.interpreter import VERSIONS, find_python
from tests.harness.running.commands import run

_TIMEOUT = 900  # seconds; one generator also installs its project and has pre-commit format it, twice


def uv(*words: str, cwd: Path) -> None:
    """Run uv with the Python of all contenders. Raises CommandFailedError."""
    variables = {
        "UV_PYTHON": find_python(VERSIONS),
        "UV_PYTHON_DOWNLOADS": "never",
        # A generator that runs pre-commit in its project may leave out what takes long and changes no file.
        "SKIP": "mypy",
    }
    run("uv", *words, cwd=cwd, env=variables, timeout=_TIMEOUT)


def install(project: Path, *options: str) -> None:
    """Make the project's environment, in ``.venv``, with byte code, so that the first start is like the others."""
    uv("sync", "--compile-bytecode", *options, cwd=project)


def generate(requirement: str, *arguments: str, into: Path) -> None:
    """Run a generator of the Python index as ``uvx`` does, in an environment of its own.

    Args:
        requirement: The distribution and its version; its command has the same name.
        arguments: What answers all of its questions.
        into: The folder in which it makes its project's folder.
    """
    uv("tool", "run", "--from", requirement, requirement.partition("==")[0], *arguments, cwd=into)


def add_heroes(added: Path, project: Path, *, router: Path, registration: str) -> None:
    """Add the heroes API to a project.

    Args:
        added: The files to add, in the folders where they belong.
        project: The project's folder.
        router: The project's file that knows all of its routers.
        registration: The lines for its end that make the new one known.

    Raises:
        FileExistsError: The generator has come to make such a file itself.
    """
    for source in sorted(added.rglob("*.py")):
        target = project / source.relative_to(added)
        if target.exists():
            raise FileExistsError(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    with router.open("a", encoding="utf-8") as stream:
        stream.write(registration)


@dataclass(frozen=True)
class Server:
    """The parts of a database URL, for projects that ask for each of them."""

    host: str
    port: str
    user: str
    password: str
    database: str

    @classmethod
    def of(cls, url: str) -> Server:
        """Take a URL apart."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "localhost",
            port=str(parts.port or 5432),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.removeprefix("/")),
        )
