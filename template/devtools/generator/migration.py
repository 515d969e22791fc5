"""Has Alembic write the migration of a resource, against a database that is thrown away."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import to_tuple

from devtools.application import PROJECT
from devtools.generator import GeneratorError
from devtools.generator.scratch import scratch_database
from devtools.generator.writing import NOTES, Text, noted_with

VERSIONS: Final = Path("src/app/migrations/versions")

_PATIENCE: Final = 20.0  # seconds for a database to say what it has run


def write_migration(message: str) -> dict[Path, Text]:
    """Return the revision by which the database gets what the models have, if it lacks anything, after trying it.

    Raises GeneratorError if the migrations cannot be run.
    """
    # In the project, whose rules format it.
    NOTES.mkdir(exist_ok=True)
    with scratch_database() as url, TemporaryDirectory(dir=NOTES) as folder:
        # Of its own, because the models that were just written are not those that this program has imported.
        done = subprocess.run(
            [sys.executable, "-m", "devtools.generator.revise", message, folder],
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": url, "LOG_LEVEL": "WARNING"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise GeneratorError(f"The migration cannot be written. {(done.stderr or done.stdout).strip()}")
        found = Path(folder).glob("*.py")
        return {VERSIONS / path.name: Text(None, path.read_text(encoding="utf-8")) for path in found}


def check_not_in_use(path: Path) -> None:
    """Raise GeneratorError for a revision that another one comes after, or that the service's database has run."""
    scripts = ScriptDirectory.from_config(Config(toml_file=PROJECT / "pyproject.toml"))
    revisions = {Path(script.path).name: script for script in scripts.walk_revisions()}
    revision = revisions[path.name].revision
    for name, script in sorted(revisions.items()):
        if revision in to_tuple(script.down_revision, default=()):
            how = "".join(f", by `uv run poe new {other} --undo`" for other in noted_with(VERSIONS / name))
            raise GeneratorError(f"The migration {name} comes after that of this resource: take it back first{how}.")
    if revision in _current():
        raise GeneratorError(
            f"The database has run the migration {revision}: take it back there first, by `uv run poe downgrade`, "
            "which drops the table with all that is in it."
        )


def _current() -> str:
    """Return what the service's database has run, or nothing when it cannot be asked."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "current"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
