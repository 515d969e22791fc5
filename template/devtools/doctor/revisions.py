"""Whether the database is at the newest revision of the service's migrations."""

from collections.abc import Iterable

from alembic.config import Config
from alembic.script import ScriptDirectory

from app.kit.database.schema import current_revisions
from devtools.doctor.check import Examination, Finding


async def revisions(examination: Examination) -> Finding:
    """Compare what the database has run with what there is to run."""
    current = await examination.ask(current_revisions)
    scripts = scripts_of(examination)
    known = {script.revision for script in scripts.walk_revisions()}
    heads = scripts.get_heads()
    if len(heads) > 1:
        return Finding(
            f"There are {len(heads)} newest revisions, and only one can be: {_listed(heads)}.",
            "Set the down_revision of the one that came last to the other, as long as no database has run it.\n"
            "Else write one that joins them: `uv run alembic merge heads`.",
        )
    if unknown := current - known:
        return Finding(
            f"The database is at a revision that this code does not have: {_listed(unknown)}.",
            "Look at the version of the service that has migrated it: deploy that, or one that came later.\n"
            "If the revision is of a branch, take it back by `uv run poe downgrade` there.",
        )
    if current == frozenset(heads):
        return Finding(f"The database is at the newest revision, {_listed(heads) or 'which is none'}.")
    pending = [script.revision for script in scripts.iterate_revisions(tuple(heads), tuple(current) or "base")]
    return Finding(
        f"The database is at revision {_listed(current) or 'none'}, and has yet to run {_listed(reversed(pending))}.",
        "`uv run poe migrate`, or `alembic upgrade head` from the image of the new version.",
    )


def scripts_of(examination: Examination) -> ScriptDirectory:
    """Return the service's revisions."""
    config = configuration_of(examination)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(examination.service.versions).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def configuration_of(examination: Examination) -> Config:
    """Return what `pyproject.toml` says to Alembic."""
    return Config(toml_file=examination.service.root / "pyproject.toml")


def _listed(revisions: Iterable[str]) -> str:
    return ", ".join(revisions)
