"""The tables that the database is compared with."""

from alembic import context
from sqlalchemy import MetaData

from app.kit.database.models import Base, import_models


def target_metadata() -> MetaData:
    """Return the tables to compare with: those of all models, or those that the caller of Alembic hands over."""
    given = context.config.attributes.get("target_metadata")
    if isinstance(given, MetaData):
        return given
    import_models()
    return Base.metadata
