"""Models of every kind that is filled: what lends books, and to whom."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.kit.database.models import TYPES, Base, PrimaryKey, Timestamped, Versioned, text_enum
from app.kit.database.sessions import Database


class LibraryBase(DeclarativeBase):
    """A base of its own, so that these tables are never taken for the service's."""

    metadata = type(Base.metadata)(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = TYPES


class Status(StrEnum):
    """What a book can be."""

    HERE = "here"
    LENT = "lent"


class Author(Versioned, Timestamped, LibraryBase):
    """Whoever writes; some have learnt it from others."""

    __tablename__ = "author"
    __table_args__ = (
        Index("uq_author_email_lower", func.lower(text("email")), unique=True),
        CheckConstraint("born IS NULL OR died IS NULL OR born <= died", name="life"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    email: Mapped[str] = mapped_column(String(60), unique=True)
    pen_name: Mapped[str] = mapped_column(String(4), unique=True)
    born: Mapped[date]
    died: Mapped[date]
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    deleted_at: Mapped[datetime | None]

    books: Mapped[list["Book"]] = relationship(lazy="raise_on_sql")


class Book(Versioned, LibraryBase):
    """What is lent."""

    __tablename__ = "book"
    __table_args__ = (
        UniqueConstraint("author_id", "book_title"),
        CheckConstraint("price > 4.5 AND price < 5", name="price"),
        CheckConstraint("stars BETWEEN 2 AND 4", name="stars"),
        CheckConstraint("length(language) >= 2 AND language IN ('nl', 'it''s')", name="language"),
        CheckConstraint("lent_at <= back_at", name="period"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    title: Mapped[str] = mapped_column("book_title", String(30))
    number: Mapped[int] = mapped_column(unique=True)
    price: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    stars: Mapped[int]
    language: Mapped[str]
    status: Mapped[Status] = mapped_column(text_enum(Status, check="status"))
    lent_at: Mapped[datetime]
    back_at: Mapped[datetime]
    details: Mapped[dict[str, int]] = mapped_column(JSON)
    marks: Mapped[list[str]] = mapped_column(JSON)
    weight: Mapped[float | None]
    twice: Mapped[int] = mapped_column(Computed("stars * 2", persisted=True))
    pages: Mapped[int] = mapped_column(default=7)
    shelf: Mapped[str] = mapped_column(server_default="A")


class Card(LibraryBase):
    """What each author has one of: the key is that of the author."""

    __tablename__ = "card"

    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), primary_key=True)
    is_valid: Mapped[bool]


class Tag(LibraryBase):
    """A word with which books are found, which is its own key."""

    __tablename__ = "tag"

    name: Mapped[str] = mapped_column(primary_key=True)


BOOK_TAG = Table(
    "book_tag",
    LibraryBase.metadata,
    Column("book_id", ForeignKey("book.id"), primary_key=True),
    Column("tag_name", ForeignKey("tag.name"), primary_key=True),
)


class Branch(LibraryBase):
    """A place with books, which has a main room."""

    __tablename__ = "branch"

    id: Mapped[PrimaryKey]
    city: Mapped[str]
    main_room_id: Mapped[int | None] = mapped_column(ForeignKey("room.id", use_alter=True))


class Room(LibraryBase):
    """A room of a branch: each counts its own."""

    __tablename__ = "room"
    __table_args__ = (UniqueConstraint("branch_id", "number"),)

    id: Mapped[PrimaryKey]
    branch_id: Mapped[int] = mapped_column(ForeignKey("branch.id"))
    number: Mapped[int]


class Shelf(LibraryBase):
    """A shelf, which knows its branch by itself and by its room."""

    __tablename__ = "shelf"
    __table_args__ = (ForeignKeyConstraint(["branch_id", "room_number"], ["room.branch_id", "room.number"]),)

    id: Mapped[PrimaryKey]
    branch_id: Mapped[int] = mapped_column(ForeignKey("branch.id"))
    room_number: Mapped[int | None]


class Vehicle(LibraryBase):
    """The first of a hierarchy, of which only the others have rows."""

    __tablename__ = "library_vehicle"
    __mapper_args__ = {"polymorphic_on": "kind"}

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    plate: Mapped[str] = mapped_column(unique=True)


class Bus(Vehicle):
    """One with a table of its own beside that of all vehicles."""

    __tablename__ = "bus"
    __mapper_args__ = {"polymorphic_identity": "bus"}

    id: Mapped[int] = mapped_column(ForeignKey("library_vehicle.id"), primary_key=True)
    seats: Mapped[int]


class Bicycle(Vehicle):
    """One in the table of all vehicles."""

    __mapper_args__ = {"polymorphic_identity": "bicycle"}


async def make_tables(database: Database, *tables: Table) -> None:
    """Create tables, by default all of these models."""
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(LibraryBase.metadata.create_all, tables or None)
