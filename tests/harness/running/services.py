"""A rendered service that is to be installed and run."""

from __future__ import annotations

import itertools
import shutil
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tests.harness.rendering.questions import Answers
from tests.harness.running.commands import Result, run

OWN_INTERPRETER = getattr(sys, "_base_executable", sys.executable)
"""The interpreter that the environment of this test run was made from."""


@dataclass(frozen=True)
class Service:
    """A folder with a service, and the environment that holds what it declares.

    Attributes:
        folder: The service's root.
        environment: Where ``uv sync`` installs to.
        interpreter: The Python that the environment is made from.
        variables: Further environment variables for every command.
        answers: What it was rendered with, as far as that matters to anyone.
    """

    folder: Path
    environment: Path
    interpreter: str = OWN_INTERPRETER
    variables: Mapping[str, str] = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)

    @cached_property
    def project(self) -> dict[str, Any]:
        """The service's ``pyproject.toml``."""
        return tomllib.loads(self.folder.joinpath("pyproject.toml").read_text(encoding="utf-8"))

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Result:
        """Run a command in the service's folder; see :func:`tests.harness.running.commands.run`."""
        return run(*command, cwd=self.folder, env={**self.uv_variables, **self.variables, **(env or {})}, **options)

    def install(self, *options: str) -> Result:
        """Make the environment hold exactly what the service declares."""
        return self.run("uv", "sync", *options)

    def uv_run(self, *command: str, env: Mapping[str, str] | None = None, **options: Any) -> Result:
        """Run one of the commands of the service's README in the environment as it is."""
        return self.run("uv", "run", "--no-sync", *command, env=env, **options)

    def program(self, name: str) -> str:
        """Where a program of the environment is. Raises FileNotFoundError."""
        found = shutil.which(name, path=str(self.environment / "bin"))
        if found is None:
            raise FileNotFoundError(f"{name} is not installed in {self.environment}")
        return found

    def versions(self, packages: Iterable[str]) -> dict[str, str]:
        """The versions of those of these packages that are installed, whatever the case of their names."""
        folders = [str(folder) for folder in self.environment.glob("lib/python*/site-packages")]
        installed = {each.name.lower(): each.version for each in distributions(path=folders)}
        return {name: installed[name.lower()] for name in packages if name.lower() in installed}

    @cached_property
    def uv_variables(self) -> dict[str, str]:
        """What makes uv use this interpreter and this environment."""
        return {
            "UV_PROJECT_ENVIRONMENT": str(self.environment),
            "UV_PYTHON": self.interpreter,
            "UV_PYTHON_DOWNLOADS": "never",
        }


@dataclass(frozen=True)
class Environments:
    """Environments in which services take turns, and which the next run finds again.

    Each keeps its byte code, and they share the findings of mypy, which saves more than half of the time. None keeps a
    package that the service at hand does not declare: ``uv sync`` removes it.
    """

    folder: Path

    @contextmanager
    def borrow(self, name: str) -> Iterator[Path]:
        """An environment that no other process, of this run or another, uses at the same time."""
        for number in itertools.count():
            environment = self.folder / f"{name}-{number}"
            lock = FileLock(f"{environment}.lock", blocking=False)
            try:
                lock.acquire()
            except Timeout:
                continue
            try:
                yield environment
            finally:
                lock.release()
            return

    @contextmanager
    def mypy_cache(self) -> Iterator[Path]:
        """What mypy has found out about libraries; only one process at a time may add to it."""
        cache = self.folder / "mypy-cache"
        with FileLock(f"{cache}.lock"):
            yield cache
