"""Alembic, run by tests as its command line would run it."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from shutil import copytree, ignore_patterns
from typing import Any, Concatenate, Final, ParamSpec
from unittest.mock import patch

from alembic.config import Config
from alembic.util import to_tuple

from app.database.migrations import head_revisions
from app.settings import Settings

ROOT: Final = Path(__file__).parents[2]

P = ParamSpec("P")


async def run_alembic(
    url: str, command: Callable[Concatenate[Config, P], Any], /, *args: P.args, **kwargs: P.kwargs
) -> None:
    """Run a function of `alembic.command` on the database with this URL, with the service's `env.py`."""
    await run_alembic_in(ROOT, url, command, *args, **kwargs)


async def run_alembic_in(
    folder: Path, url: str, command: Callable[Concatenate[Config, P], Any], /, *args: P.args, **kwargs: P.kwargs
) -> None:
    """Do the same with the migrations of a copy that `copy_migrations` has made.

    It runs in a thread, because `env.py` has an event loop of its own.
    """
    with patch.dict(os.environ, DATABASE_URL=url), patch.dict(Settings.model_config, env_file=None):
        await asyncio.to_thread(command, Config(toml_file=folder / "pyproject.toml"), *args, **kwargs)


def copy_migrations(folder: Path) -> None:
    """Copy the migrations and their configuration, so that a test can add to them."""
    copytree(ROOT / "src/app/migrations", folder / "src/app/migrations", ignore=ignore_patterns("__pycache__"))
    configuration = (ROOT / "pyproject.toml").read_text().replace('"app:migrations"', '"%(here)s/src/app/migrations"')
    (folder / "pyproject.toml").write_text(configuration)


def add_migration(folder: Path, upgrade: str) -> None:
    """Add a migration to a copy; `upgrade` is the body of its function, and may use `sa`, `op`, `time` and `Path`."""
    versions = folder / "src/app/migrations/versions"
    versions.mkdir(exist_ok=True)
    head = next(iter(head_revisions()), None)
    (versions / "added.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = 'added', {head!r}\n"
        f"def upgrade():\n    {upgrade}\n"
    )


def problems_of_revisions(folder: Path) -> list[str]:
    """Say why there is not one newest revision among those in a folder, and how to mend it."""
    modules = {file.name: run_path(str(file)) for file in sorted((folder / "src/app/migrations/versions").glob("*.py"))}
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


async def upgrade_in_process(folder: Path, url: str) -> tuple[int, str]:
    """Run `alembic upgrade head` in a process of its own; return its exit status and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "-c", str(folder / "pyproject.toml"), "upgrade", "head"),
        cwd=folder,
        env=os.environ | {"DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
