"""Rows whose annotations are texts until somebody asks for them."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from sqlalchemy import select

from app.kit.database.query import Query
from kit_tests.support.items import Item


class Named(NamedTuple):
    """Two columns."""

    id: int
    name: str


class WithParent(NamedTuple):
    """A column that may be NULL."""

    parent_id: int | None


class WrongType(NamedTuple):
    """A field of another type than the column."""

    name: int


def test_postponed_annotations_fit_as_others_do() -> None:
    Query(Named, select(Item.id, Item.name))
    Query(WithParent, select(Item.parent_id))


def test_postponed_annotation_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^WrongType\.name is int, and its column holds str\.$"):
        Query(WrongType, select(Item.name))  # type: ignore[arg-type]


def test_annotation_that_cannot_be_resolved_fits() -> None:
    class Local(int):
        """A type that only this function knows."""

    class Row(NamedTuple):
        """A field of that type."""

        id: Local

    Query(Row, select(Item.id))  # type: ignore[arg-type]
