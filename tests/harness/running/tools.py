"""Programs that tests use and that need not be on every machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock


class MissingToolError(Exception):
    """A program is not here and could not be fetched; the message says why."""


@contextmanager
def skipped_without_tools() -> Iterator[None]:
    """Skip what cannot be tested because a program is missing; a CI has all of them, so it fails there."""
    try:
        yield
    except MissingToolError as reason:
        if "CI" in os.environ:
            raise
        pytest.skip(str(reason))


def node_modules(cache: Path, *packages: str) -> Path:
    """The folder with these packages of npm, which are installed unless they are there from an earlier run.

    Args:
        cache: Where they are kept between runs.
        packages: Each with its version, such as ``typescript@5.9.3``.

    Raises:
        MissingToolError: Node.js is not here, or the package index does not answer.
    """
    if shutil.which("node") is None:
        raise MissingToolError("Node.js is not installed")
    modules = cache / "node_modules"
    with FileLock(cache / "lock"):
        if not all(modules.joinpath(package.rpartition("@")[0]).exists() for package in packages):
            npm_install(cache, *packages)
    return modules


def npm_install(folder: Path, *words: str) -> None:
    """Install packages of npm below a folder; raises MissingToolError. Options may stand before the packages."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingToolError("Node.js is not installed")
    command = [npm, "install", "--silent", "--no-save", "--prefix", str(folder), *words]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
        raise MissingToolError(f"npm could not install {' '.join(word for word in words if not word.startswith('-'))}")
