"""Commands as a developer would type them, in an environment that owes nothing to the test run."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from tests.harness.rendering.questions import ROOT

SHOWN_LINES = 120  # as much as pytest prints of where the threads of a hanging test are

_NOT_INHERITED = (
    # Settings of the service under test.
    *("DATABASE_", "TEST_DATABASE_URL", "LOG_LEVEL", "LOG_FORMAT", "PORT", "REQUIRE_PGBOUNCER"),
    *("MAX_BODY_SIZE", "REQUEST_ATTEMPTS", "DOCS_ENABLED", "CORS_ORIGINS", "TRUSTED_HOSTS"),
    # Settings of the run that tests it. Without byte code every process would compile its imports anew.
    *("PYTEST", "PY_COLORS", "COV_", "COVERAGE_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME"),
    *("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_RUN_RECURSION_DEPTH", "COPIER_"),
    *("TEMPLATE_TESTS_COMBINATIONS", "TEMPLATE_TESTS_RENDERS"),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GITHUB_ACTIONS"),
)


class CommandFailedError(AssertionError):
    """A command did not end as expected. The message is all a reader needs to repeat it by hand."""


@dataclass(frozen=True)
class Result:
    """What a command printed, both streams in the order of writing, and how it ended."""

    output: str
    exit_code: int


def clean_environment(extra: Mapping[str, str | Path]) -> dict[str, str]:
    """The caller's environment without what would leak from this test run into the command."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return {**inherited, **{name: str(value) for name, value in extra.items()}}


def run(
    *command: str | Path,
    cwd: Path,
    env: Mapping[str, str | Path] | None = None,
    timeout: float = 1800,
    expected: int | None = 0,
) -> Result:
    """Run a command to its end.

    Args:
        command: The program and its arguments; no shell is involved.
        cwd: Where it runs.
        env: Variables on top of the clean environment.
        timeout: Seconds after which it and its children are killed, which counts as a failure.
        expected: The exit code it must have, or ``None`` when the caller looks for itself.

    Raises:
        CommandFailedError: Another exit code, or no end in time.
    """
    words = [str(word) for word in command]
    started = time.perf_counter()
    # A file, not a pipe: a child that outlives the command would keep a pipe open and this process waiting.
    with tempfile.TemporaryFile() as stream:
        with supervised(words, cwd=cwd, env=env or {}, log=stream) as process:
            exit_code: int | None = process.wait(timeout)
        stream.seek(0)
        output = stream.read().decode(errors="replace")

    if exit_code is not None and expected in (None, exit_code):
        return Result(output, exit_code)
    ending = "was killed, it had not ended" if exit_code is None else f"exited with {exit_code}, not {expected},"
    raise CommandFailedError(
        f"the command {ending} after {time.perf_counter() - started:.1f} s. To repeat it:\n\n"
        f"    {command_line(words, cwd, env or {})}\n\n{last_lines(output)}"
    )


def supervised(words: list[str], *, cwd: Path, env: Mapping[str, str | Path], log: IO[bytes]) -> Any:
    """Start a command that ends with this process, even if that is killed; see ``devtools/supervisor.py``."""
    # For uv the one that runs these tests, and not a version manager's shim.
    program = os.environ.get("UV", "uv") if words[0] == "uv" else words[0]
    return _supervisor().Supervised([program, *words[1:]], cwd=cwd, env=clean_environment(env), log=log)


@cache
def _supervisor() -> ModuleType:
    """The module by which generated services supervise their servers."""
    file = ROOT / "template" / "devtools" / "supervisor.py"
    specification = spec_from_file_location("template_supervisor", file)
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def command_line(words: list[str], cwd: Path, env: Mapping[str, str | Path]) -> str:
    """The line to paste into a shell."""
    variables = [f"{name}={shlex.quote(str(value))}" for name, value in env.items()]
    return f"cd {shlex.quote(str(cwd))} && {' '.join([*variables, shlex.join(words)])}"


def last_lines(output: str) -> str:
    """The end of an output, which is where the reason stands."""
    lines = output.rstrip().splitlines()
    if len(lines) <= SHOWN_LINES:
        return "\n".join(lines) or "(no output)"
    return "\n".join([f"... {len(lines) - SHOWN_LINES} lines above, then:", *lines[-SHOWN_LINES:]])
