"""What a model gets from the base and the mixins, whatever it says of itself, and what it may not be called."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.schema import SchemaItem

from app.kit.database.models import (
    NAMING_CONVENTION,
    TYPES,
    Base,
    PrimaryKey,
    Timestamped,
    Versioned,
    check_names,
    import_models,
)
from app.kit.database.query import change_row
from app.kit.database.sessions import Database


class FormBase(DeclarativeBase):
    """A base of its own, for models in every form."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = TYPES


class Plain(Versioned, Timestamped, FormBase):
    """Nothing of its own."""

    __tablename__ = "plain"

    id: Mapped[PrimaryKey]
    name: Mapped[str]


class Person(Versioned, Timestamped, FormBase):
    """Mapper arguments as a dictionary."""

    __tablename__ = "person"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    name: Mapped[str]


class Manager(Person):
    """Another one in the same table."""

    __mapper_args__ = {"polymorphic_identity": "manager"}


class Engineer(Person):
    """One with a table of its own."""

    __tablename__ = "engineer"
    __mapper_args__ = {"polymorphic_identity": "engineer"}

    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    language: Mapped[str | None]


class Asset(FormBase):
    """A parent without a version."""

    __tablename__ = "asset"
    __mapper_args__ = {"polymorphic_on": "kind"}

    id: Mapped[PrimaryKey]
    kind: Mapped[str]
    name: Mapped[str]


class House(Versioned, Timestamped, Asset):
    """A version in the table of the child alone."""

    __tablename__ = "house"
    __mapper_args__ = {"polymorphic_identity": "house"}

    id: Mapped[int] = mapped_column(ForeignKey("asset.id"), primary_key=True)


class Ordered:
    """A mixin with mapper arguments, which hide those of others."""

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"confirm_deleted_rows": True}


class Mixed(Ordered, Versioned, Timestamped, FormBase):
    """A mixin that comes first."""

    __tablename__ = "mixed"

    id: Mapped[PrimaryKey]
    name: Mapped[str]


class Abstract(FormBase, Versioned, Timestamped):
    """An abstract base, with the mixins last."""

    __abstract__ = True
    __mapper_args__ = {"confirm_deleted_rows": True}


class Concrete(Abstract):
    """A model of it."""

    __tablename__ = "concrete"

    id: Mapped[PrimaryKey]
    name: Mapped[str]


class Note(Timestamped, FormBase):
    """No version."""

    __tablename__ = "note"
    __mapper_args__ = {"confirm_deleted_rows": True}

    id: Mapped[PrimaryKey]
    name: Mapped[str]


class Renamed(Versioned, Timestamped, FormBase):
    """A version in a column of another name."""

    __tablename__ = "renamed"
    __mapper_args__ = {"eager_defaults": "auto"}

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    version: Mapped[int] = mapped_column("row_version", default=1)


FORMS: list[Any] = [Plain, Person, Manager, Engineer, House, Mixed, Concrete, Renamed]


@pytest.fixture
async def forms(database: Database) -> Database:
    """Return a database with the tables of these models."""
    async with database.transaction() as session:
        await (await session.connection()).run_sync(FormBase.metadata.create_all)
    return database


async def rename(session: AsyncSession, seen: Any, name: str) -> Any:
    """Change the name of what was read in another session."""
    changed: Any = await session.merge(seen, load=False)
    changed.name = name
    await session.flush()
    return changed


async def test_no_form_of_a_versioned_model_loses_an_update(forms: Database) -> None:
    for model in FORMS:
        async with forms.transaction() as session:
            session.add(new := model(name="new"))
        async with forms.read() as one, forms.read() as other:
            first, second = await one.get(model, new.id), await other.get(model, new.id)
        async with forms.transaction() as session:
            changed = await rename(session, first, "first")
            # What the server computes is there without a query.
            assert changed.updated_at >= changed.created_at
            assert changed.version == 2
        with pytest.raises(StaleDataError):
            async with forms.transaction() as session:
                await rename(session, second, "second")
        async with forms.transaction() as session:
            with pytest.raises(StaleDataError):
                await session.delete(await session.merge(second, load=False))
                await session.flush()


async def test_computed_values_are_fetched_for_every_model(forms: Database) -> None:
    async with forms.transaction() as session:
        note = Note(name="new")
        session.add(note)
        await session.flush()
        assert note.updated_at.tzinfo is not None
        note.name = "changed"
        await session.flush()
        assert note.updated_at.tzinfo is not None


@pytest.mark.parametrize(
    "own",
    [
        {"__mapper_args__": {"version_id_generator": False}},
        {"revision": mapped_column(BigInteger), "__mapper_args__": {"version_id_col": "revision"}},
        {"version": None},
    ],
)
def test_versioned_model_with_another_version_is_refused(own: dict[str, Any]) -> None:
    class LocalBase(DeclarativeBase):
        pass

    body = {"__tablename__": "other", "id": mapped_column(BigInteger, primary_key=True), **own}
    if "revision" in own:
        body["__mapper_args__"] = {"version_id_col": own["revision"]}
    with pytest.raises(TypeError, match=r"^Other is `Versioned`, so its version is the column `version`"):
        type("Other", (Versioned, LocalBase), body)


@pytest.mark.parametrize(("revised", "own_table"), [(False, False), (True, False), (True, True)])
def test_version_that_a_table_would_not_guard_is_refused(*, revised: bool, own_table: bool) -> None:
    class LocalBase(DeclarativeBase):
        pass

    class Animal(LocalBase):
        __tablename__ = "animal"

        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column()
        revision: Mapped[int] = mapped_column()
        __mapper_args__ = {"polymorphic_on": kind, "version_id_col": revision if revised else None}

    body: dict[str, Any] = {"__mapper_args__": {"polymorphic_identity": "dog"}}
    if own_table:
        body |= {"__tablename__": "dog", "id": mapped_column(ForeignKey("animal.id"), primary_key=True)}
    with pytest.raises(TypeError, match=r"^Dog is `Versioned`, but Animal, whose table it inherits, is not"):
        type("Dog", (Versioned, Animal), body)


class NameOf(NamedTuple):
    """What is read before a change."""

    id: int
    name: str
    version: int


async def test_row_of_every_form_is_changed_only_as_it_was_read(forms: Database) -> None:
    models: list[Any] = [Plain, Person, Manager, Mixed, Concrete, Renamed]
    for model in models:
        async with forms.transaction() as session:
            session.add(seen := model(name="new"))
        row = NameOf(seen.id, "new", 1)
        assert await change_row(forms, model, row, {"name": "first"}) == NameOf(seen.id, "first", 2)
        with pytest.raises(StaleDataError):
            await change_row(forms, model, row, {"name": "second"})
        with pytest.raises(StaleDataError):
            async with forms.transaction() as session:
                await rename(session, seen, "third")


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Engineer, "lies in several tables"), (House, "lies in several tables"), (Note, "is not `Versioned`")],
)
async def test_row_that_no_statement_can_guard_is_not_changed(
    shared_database: Database, model: type[FormBase], reason: str
) -> None:
    with pytest.raises(TypeError, match=f"^{model.__name__} {reason}"):
        await change_row(shared_database, model, NameOf(1, "new", 1), {"name": "first"})


SAME_NAMES: dict[str, Callable[[MetaData], object]] = {
    "uniqueness": lambda metadata: table(metadata, Index(None, "email"), Index(None, "email", unique=True)),
    "expressions": lambda metadata: table(
        metadata, Index(None, text("lower(name)")), Index(None, text("lower(email)"))
    ),
    "expression and column": lambda metadata: Index(None, func.lower(table(metadata, Index(None, "name")).c.name)),
    "tables": lambda metadata: (
        table(metadata, Index(None, "name_email"), name="user"),
        table(metadata, Index(None, "email"), name="user_name"),
    ),
    "index and table": lambda metadata: (
        table(metadata, Index(None, "email"), name="user"),
        table(metadata, name="ix_user_email"),
    ),
    "checks": lambda metadata: table(
        metadata, CheckConstraint("name > ''", name="filled"), CheckConstraint("email > ''", name="filled")
    ),
    "unique constraints": lambda metadata: table(
        metadata, UniqueConstraint("name", name="uq"), UniqueConstraint("email", name="uq")
    ),
    "foreign keys": lambda metadata: table(
        metadata, ForeignKeyConstraint(["id"], ["member.id"]), ForeignKeyConstraint(["id"], ["member.id"])
    ),
}


def table(metadata: MetaData, *parts: SchemaItem, name: str = "member") -> Table:
    """Make a table of these indexes and constraints."""
    columns = [Column(each, Text) for each in ("name", "email", "name_email")]
    return Table(name, metadata, Column("id", BigInteger, primary_key=True), *columns, *parts)


@pytest.mark.parametrize("kind", SAME_NAMES)
def test_parts_of_the_schema_with_one_name_are_refused(kind: str) -> None:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    SAME_NAMES[kind](metadata)
    with pytest.raises(ValueError, match=r"would both be called \w+, and only one would be created"):
        check_names(metadata)


def test_names_that_differ_are_taken() -> None:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    table(
        metadata,
        Index(None, "email"),
        Index("ix_member_email_unique", "email", unique=True),
        Index(None, text("lower(name)")),
        Index("ix_member_upper", text("upper(name)")),
        UniqueConstraint("email"),
        CheckConstraint("name > ''", name="filled"),
    )
    table(metadata, CheckConstraint("name > ''", name="filled"), name="other")
    table(metadata, Index(None, "email", "name"), Index(None, "name", "email"), name="third")
    table(metadata, Index("i" * 62 + "1", "name"), Index("i" * 62 + "2", "email"), name="fourth")
    check_names(metadata)


def test_models_are_checked_when_they_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    SAME_NAMES["expressions"](metadata)
    monkeypatch.setattr(Base, "metadata", metadata)
    with pytest.raises(ValueError, match=r"^Index\(lower\(email\)\) of member and Index\(lower\(name\)\) of member"):
        import_models()
