"""Whether the schema is what the models say: by what Alembic compares, and by what the service compares besides."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.schema import SchemaItem

from app.kit.migrations.drift import comparing, is_compared, mend_differences
from devtools.doctor.asking import tables_of_others
from devtools.doctor.check import Examination, Finding
from devtools.doctor.revisions import configuration_of


class _Compared(NamedTuple):
    """What differs, and what was said of the comparison."""

    differences: list[str]
    remarks: list[str]


class _Remarks(logging.Handler):
    """Collects warnings of the comparison."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a warning."""
        self.said.append(record.getMessage())


async def drift(examination: Examination) -> Finding:
    """Compare the schema with the models. What is made for the comparison is rolled back."""
    metadata, config = examination.service.metadata, configuration_of(examination)
    differences, remarks = await examination.ask(lambda connection: _compare(connection, metadata, config))
    if not differences:
        return Finding(" ".join(["The schema is what the models say.", *remarks]))
    return Finding(
        "\n".join(["To be what the models say, the schema needs:", *(f"- {each}" for each in differences), *remarks]),
        'If the models are right, `uv run poe revision "what changes"` writes the migration.\n'
        "Else change the models to what the database has. What is of others is named by leave_alone in [tool.alembic].",
    )


def _compare(connection: Connection, metadata: MetaData, config: Config) -> _Compared:
    others = tables_of_others(connection)

    def is_of_models(name: str | None, kind: str, _parents: object) -> bool:
        return is_compared(name, kind, config, others)

    context = MigrationContext.configure(
        connection, opts={"target_metadata": metadata, "include_name": is_of_models, "transactional_ddl": True}
    )
    logger, remarks = logging.getLogger("alembic"), _Remarks()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(remarks)
    try:
        with comparing():
            script = produce_migrations(context, metadata)
            mend_differences(context, None, [script])
    finally:
        logger.removeHandler(remarks)
        logger.propagate = propagate
    changes = [] if script.upgrade_ops is None else script.upgrade_ops.as_diffs()
    return _Compared([*_told(changes)], remarks.said)


def _told(changes: Iterable[Any]) -> Iterator[str]:
    """Name each change that Alembic would make: what kind, and of which part."""
    for change in changes:
        if isinstance(change, list):
            yield from _told(change)
            continue
        kind, *parts = change
        if kind == "differs":
            yield parts[0]
            continue
        names = [str(getattr(part, "name", part) or "") for part in parts if isinstance(part, str | SchemaItem)]
        yield f"{kind.replace('_', ' ')} {'.'.join(filter(None, names))}"
