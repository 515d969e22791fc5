"""Alembic, run by tests as its command line would run it."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from runpy import run_path
from shutil import copytree, ignore_patterns
from typing import Any, Concatenate, Final, ParamSpec
from unittest.mock import patch

from alembic.config import Config
from alembic.util import to_tuple
from sqlalchemy import inspect

from app.kit.database.schema import current_revisions, head_revisions
from app.kit.database.sessions import open_database
from app.kit.settings import MigrationSettings
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import Suite

ROOT: Final = Path(__file__).parents[2]

P = ParamSpec("P")


class _Project(Config):
    """The project's configuration; of its hooks, those alone that write to a new revision."""

    def get_hooks_list(self) -> list[Any]:
        # What others say of it is read by nobody here, and each is a process that imports all of Alembic.
        return [hook for hook in super().get_hooks_list() if hook.get("module") == "ruff"]


async def run_alembic(
    suite: Suite, url: str, command: Callable[Concatenate[Config, P], Any], /, *args: P.args, **kwargs: P.kwargs
) -> None:
    """Run a function of `alembic.command` on the database with this URL, with the service's `env.py`.

    It runs in a thread, because `env.py` has an event loop of its own.
    """
    config = _Project(toml_file=ROOT / "pyproject.toml")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(suite.versions))
    if suite.metadata is not None:
        config.attributes["target_metadata"] = suite.metadata
    with patch.dict(os.environ, DATABASE_URL=url), patch.dict(MigrationSettings.model_config, env_file=None):
        try:
            await asyncio.to_thread(command, config, *args, **kwargs)
        finally:
            # A command line would have ended here: what it logs is not to be heard in the next one's output.
            logging.getLogger("alembic.runtime.migration").setLevel(logging.NOTSET)


def copy_migrations(suite: Suite, folder: Path) -> Suite:
    """Copy the migrations, so that a test can add to them; return the suite that has them."""
    versions = folder / "versions"
    copytree(suite.versions, versions, ignore=ignore_patterns("__pycache__"))
    return replace(suite, versions=versions)


def add_migration(suite: Suite, upgrade: str, *, name: str = "added") -> None:
    """Add a migration to a copy; `upgrade` is the body of its function, and may use `sa`, `op`, `time` and `Path`."""
    # What is kept of an earlier call knows nothing of a migration that was added since.
    head_revisions.cache_clear()
    head = next(iter(head_revisions(suite.versions)), None)
    (suite.versions / f"{name}.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = {name!r}, {head!r}\n"
        f"def upgrade():\n    {upgrade}\n"
    )
    head_revisions.cache_clear()


def assert_clean(suite: Suite, message: str) -> None:
    """Check that the migration with this message looks like code of the service, and depends on none of it."""
    (written,) = suite.versions.glob(f"*_{message}.py")
    assert "app." not in written.read_text()
    for check in (["check"], ["format", "--check"]):
        # As if it lay with the others, so that the same rules hold.
        place = ["--stdin-filename", "src/app/migrations/versions/written.py", "-"]
        ruff = [sys.executable, "-m", "ruff", *check, "--no-cache", *place]
        done = subprocess.run(ruff, cwd=ROOT, input=written.read_bytes(), capture_output=True, check=False)  # noqa: S603
        assert done.returncode == 0, done.stdout.decode()


async def state(url: str) -> tuple[set[str], frozenset[str]]:
    """Return the names of the tables of a database, and the revisions that it is at."""
    async with open_database(settings_for(url)) as database, database.engines.read.connect() as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        return tables, await connection.run_sync(current_revisions)


def problems_of_revisions(versions: Path) -> list[str]:
    """Say why there is not one newest revision among those in a folder, and how to mend it."""
    modules = {file.name: run_path(str(file)) for file in sorted(versions.glob("*.py"))}
    files = {module["revision"]: name for name, module in modules.items()}
    previous = {name: to_tuple(module["down_revision"], default=()) for name, module in modules.items()}
    newest = [
        files[revision] for revision in sorted(files.keys() - {each for all_ in previous.values() for each in all_})
    ]
    problems = [
        f"{name} follows {revision}, which is not there."
        for name, revisions in previous.items()
        for revision in revisions
        if revision not in files
    ]
    if len(newest) > 1:
        problems.append(f"Nothing follows {' and '.join(newest)}, and only one revision can be the newest.")
    if problems:
        problems.append(
            "Mend the file that came last, which no database has run yet: set its down_revision to the revision that "
            "was the newest before, or delete the file if you have deleted what it is for."
        )
    return problems


async def upgrade_in_process(suite: Suite, url: str, folder: Path) -> tuple[int, str]:
    """Run `alembic upgrade head` in a process of its own; return its exit status and what it wrote.

    `folder` gets a configuration that names the suite's migrations, and the output as it comes, in `output.txt`.
    """
    process = await start_upgrade(suite, url, folder)
    return await process.wait(), (folder / "output.txt").read_text()


async def start_upgrade(suite: Suite, url: str, folder: Path) -> asyncio.subprocess.Process:
    """Do the same, and do not wait for the end."""
    configuration = (ROOT / "pyproject.toml").read_text()
    changed = re.sub(
        r"^version_locations = .*$", f"version_locations = ['{suite.versions}']", configuration, flags=re.MULTILINE
    )
    (folder / "pyproject.toml").write_text(changed)
    with (folder / "output.txt").open("w") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alembic", "-c", str(folder / "pyproject.toml"), "upgrade", "head"),
            cwd=folder,
            env=os.environ | {"DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
