"""A table that a service gets by and by, of which tests change the model."""

from dataclasses import replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table

from kit_tests.support.items import ItemBase
from kit_tests.support.suite import Suite


class Status(StrEnum):
    """What the state of a letter was at first."""

    DRAFT = "draft"
    SENT = "sent"


class Later(StrEnum):
    """What it can be today."""

    DRAFT = "draft"
    SEALED = "it's sealed"
    SENT = "sent"
    LOST = "lost: nobody knows"


def with_letters(suite: Suite, *parts: Any, key: Column[Any] | None = None) -> Suite:
    """Return the suite with one table more in its models."""
    metadata = MetaData(naming_convention=ItemBase.metadata.naming_convention)
    for table in ItemBase.metadata.sorted_tables:
        table.to_metadata(metadata)
    Table("letter", metadata, Column("id", Integer, primary_key=True) if key is None else key, *parts)
    return replace(suite, metadata=metadata)
