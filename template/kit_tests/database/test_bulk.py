"""Many rows at once are stored as each would be on its own."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import JSON, Enum, Numeric, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database.bulk import insert_many
from app.kit.database.models import NOW, PrimaryKey
from app.kit.database.sessions import Database
from kit_tests.support.items import ItemBase
from kit_tests.support.statements import statements_seen


class Kind(StrEnum):
    """A choice, which the database keeps by its name."""

    LARGE = "large"
    SMALL = "small"


class Parcel(ItemBase):
    """A row with a value of every common kind."""

    __tablename__ = "parcel"

    id: Mapped[PrimaryKey]
    # The attribute has another name than the column.
    label: Mapped[str] = mapped_column("parcel_label", unique=True)
    number: Mapped[int | None]
    weight: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    fragile: Mapped[bool | None]
    sent_at: Mapped[datetime | None]
    due: Mapped[date | None]
    content: Mapped[bytes | None]
    reference: Mapped[UUID | None]
    kind: Mapped[Kind | None] = mapped_column(Enum(Kind, native_enum=False))
    details: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    attempts: Mapped[int] = mapped_column(default=7)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


NUMBERS = count(1)


class Ticket(ItemBase):
    """A row with a default that is another one each time."""

    __tablename__ = "ticket"

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    number: Mapped[int] = mapped_column(default=lambda: next(NUMBERS), unique=True)


class Receipt(ItemBase):
    """A row with a default that is made of what the row has besides."""

    __tablename__ = "receipt"

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    title: Mapped[str] = mapped_column(default=lambda context: context.get_current_parameters()["name"].title())


class Vehicle(ItemBase):
    """The first of a hierarchy, of which the rows say what they are."""

    __tablename__ = "vehicle"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    name: Mapped[str]


class Van(Vehicle):
    """One that is told apart by what the mapper adds."""

    __mapper_args__ = {"polymorphic_identity": "van"}


FULL = {
    "label": "full",
    "number": 2**62,
    "weight": 0.1,
    "price": Decimal("12.30"),
    "fragile": True,
    "sent_at": datetime(2024, 2, 29, 12, 30, 15, 123000, tzinfo=UTC),
    "due": date(2024, 3, 1),
    "content": b"\x00\xff",
    "reference": UUID(int=7),
    "kind": Kind.SMALL,
    "details": {"a": [1, None, "{}"]},
}
EMPTY = dict.fromkeys(FULL) | {"label": 'quotes " and \\ and {braces},'}


async def stored(database: Database, model: type[Any]) -> list[Any]:
    async with database.read() as session:
        return list(await session.scalars(select(model).order_by(model.id)))


async def test_values_of_every_kind_are_stored_as_they_are(database: Database) -> None:
    async with database.transaction() as session:
        assert await insert_many(session, Parcel, [FULL, EMPTY]) == 2
    parcels = await stored(database, Parcel)
    assert [{name: getattr(parcel, name) for name in FULL} for parcel in parcels] == [FULL, EMPTY]
    assert [parcel.attempts for parcel in parcels] == [7, 7]
    assert all(parcel.created_at for parcel in parcels)


async def test_any_number_of_rows_is_one_statement(database: Database) -> None:
    rows = [{"label": f"parcel {number}", "number": number if number % 2 else None} for number in range(2_000)]
    async with database.transaction() as session:
        with statements_seen(about="INSERT") as statements:
            assert await insert_many(session, Parcel, rows) == len(rows)
    assert len(statements) == 1
    assert [{"label": parcel.label, "number": parcel.number} for parcel in await stored(database, Parcel)] == rows


class ParcelCreate(BaseModel):
    """What a client sends of a parcel: its fields are attributes of the model."""

    label: str
    number: int | None = None
    price: Decimal | None = None
    kind: Kind = Kind.LARGE
    details: dict[str, list[int]] = {}


async def test_models_of_pydantic_are_rows_and_stay_as_they_are(database: Database) -> None:
    new = [
        ParcelCreate(label="full", number=1, price=Decimal("1.50"), kind=Kind.SMALL, details={"a": [1]}),
        ParcelCreate(label="defaults"),
    ]
    before = [row.model_dump() for row in new]
    async with database.transaction() as session:
        with statements_seen(about="INSERT") as statements:
            assert await insert_many(session, Parcel, new) == 2
    assert len(statements) == 1
    assert [row.model_dump() for row in new] == before
    parcels = await stored(database, Parcel)
    assert [{name: getattr(parcel, name) for name in ParcelCreate.model_fields} for parcel in parcels] == before
    assert [parcel.attempts for parcel in parcels] == [7, 7]


async def test_models_of_pydantic_get_defaults_that_are_computed(database: Database) -> None:
    class New(BaseModel):
        name: str

    async with database.transaction() as session:
        await insert_many(session, Ticket, [New(name="a"), New(name="b")])
        await insert_many(session, Van, [New(name="c")])
    assert len({ticket.number for ticket in await stored(database, Ticket)}) == 2
    assert [(van.name, van.kind) for van in await stored(database, Van)] == [("c", "van")]


class Application(BaseModel):
    """What a client sends, with a field that is no column."""

    name: str
    agreed: bool = True


@pytest.mark.parametrize("row", [Application(name="a"), {"name": "a", "agreed": True}], ids=["model", "dict"])
@pytest.mark.parametrize("model", [Ticket, Van])
async def test_what_is_no_column_is_refused_by_its_name(database: Database, model: type[ItemBase], row: Any) -> None:
    columns = {Ticket: "id, name, number", Van: "id, kind, name"}[model]
    message = f"'agreed' of {type(row).__name__} is no column of {model.__name__}, which has {columns}."
    async with database.transaction() as session:
        with pytest.raises(TypeError) as refused:
            await insert_many(session, model, [row])
    assert str(refused.value) == message
    assert await stored(database, model) == []


async def test_no_rows_are_no_statement(database: Database) -> None:
    async with database.transaction() as session:
        with statements_seen(about=" ") as statements:
            assert await insert_many(session, Parcel, []) == 0
    with statements_seen(about=" ") as alone:
        assert await insert_many(database, Parcel, []) == 0
    assert not [*statements, *alone]


async def test_database_stores_many_rows_by_themselves(database: Database) -> None:
    for lap in range(3):
        rows: list[dict[str, Any]] = [FULL | {"label": f"full {lap}"}, EMPTY | {"label": f"empty {lap}"}]
        assert await insert_many(database, Parcel, rows) == 2
        parcels = (await stored(database, Parcel))[-2:]
        assert [{name: getattr(parcel, name) for name in FULL} for parcel in parcels] == rows
        assert [parcel.attempts for parcel in parcels] == [7, 7]
    # Fewer columns are another statement, and so are the same in another order.
    for number, label in ((1, "a"), (None, "b")):
        assert await insert_many(database, Parcel, [{"number": number, "label": label}]) == 1
    assert await insert_many(database, Parcel, [{"label": "c", "number": 3}]) == 1
    labels = [(parcel.label, parcel.number) for parcel in (await stored(database, Parcel))[-3:]]
    assert labels == [("a", 1), ("b", None), ("c", 3)]


async def test_database_stores_rows_that_are_special_all_or_none(database: Database) -> None:
    assert await insert_many(database, Ticket, [{"name": "a"}, {"name": "b"}]) == 2
    tickets = await stored(database, Ticket)
    assert len({ticket.number for ticket in tickets}) == 2
    with pytest.raises(IntegrityError):
        await insert_many(database, Ticket, [{"name": "c", "number": n} for n in (0, tickets[0].number)])
    with pytest.raises(IntegrityError):
        await insert_many(database, Van, [{"name": name} for name in ("c", None)])
    assert await stored(database, Van) == []
    assert len(await stored(database, Ticket)) == 2
    assert await insert_many(database, Van, [{"name": "c"}, {"name": "d"}]) == 2
    assert [(van.name, van.kind) for van in await stored(database, Van)] == [("c", "van"), ("d", "van")]


async def test_one_row_that_is_refused_keeps_out_all(database: Database) -> None:
    rows = [{"label": f"parcel {number}"} for number in range(100)]
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await insert_many(session, Parcel, [*rows, rows[0]])
    for _ in range(2):
        with pytest.raises(IntegrityError):
            await insert_many(database, Parcel, [*rows, rows[0]])
    assert await stored(database, Parcel) == []


async def test_default_that_is_computed_is_computed_for_each_row(database: Database) -> None:
    async with database.transaction() as session:
        await insert_many(session, Ticket, [{"name": "a"}, {"name": "b"}, {"name": "c"}])
    tickets = await stored(database, Ticket)
    assert [ticket.name for ticket in tickets] == ["a", "b", "c"]
    assert len({ticket.number for ticket in tickets}) == 3


async def test_defaults_that_are_computed_are_part_of_one_statement(database: Database) -> None:
    for executor in (database, None):
        with statements_seen(about="INSERT") as statements:
            if executor is None:
                async with database.transaction() as session:
                    await insert_many(session, Ticket, [{"name": f"{number}"} for number in range(500)])
            else:
                await insert_many(executor, Ticket, [{"name": f"{number}"} for number in range(500)])
        assert len(statements) == 1
    tickets = await stored(database, Ticket)
    assert len({ticket.number for ticket in tickets}) == 1000
    assert [ticket.number for ticket in tickets] == sorted(ticket.number for ticket in tickets)


async def test_default_may_be_made_of_the_row_itself(database: Database) -> None:
    for lap in range(2):
        await insert_many(database, Receipt, [{"name": f"a b {lap}"}, {"name": f"c {lap}"}])
    receipts = await stored(database, Receipt)
    assert [receipt.title for receipt in receipts] == ["A B 0", "C 0", "A B 1", "C 1"]


async def test_model_of_a_hierarchy_keeps_what_it_is(database: Database) -> None:
    async with database.transaction() as session:
        await insert_many(session, Van, [{"name": "a"}, {"name": "b"}])
    assert [(van.name, van.kind) for van in await stored(database, Van)] == [("a", "van"), ("b", "van")]
