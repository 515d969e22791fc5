"""Where models begin: the declarative base, and mixins for columns that most tables want."""

from datetime import datetime
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from app.database.columns import NOW, TYPES

# Named constraints can be dropped by a migration, and told apart when one is violated.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every model."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = TYPES
    # Fetch what the server computes along with the INSERT or UPDATE. Fetched later, it would need a query where
    # none can be awaited.
    __mapper_args__ = {"eager_defaults": True}


class Timestamped:
    """Adds when a row was created and when it was last changed."""

    created_at: Mapped[datetime] = mapped_column(server_default=NOW, sort_order=900)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, onupdate=NOW, sort_order=901)


class Versioned:
    """Adds a version that grows with each change, so that two changes of one row cannot overwrite each other.

    An UPDATE or DELETE of a loaded row names the version it was read with, and raises StaleDataError when that is
    no longer the current one. Statements written by hand must do the same.
    """

    version: Mapped[int] = mapped_column(default=1, sort_order=902)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"eager_defaults": True, "version_id_col": cls.version}
