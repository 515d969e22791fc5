"""Factories: realistic entities of a model, with what its owner says of them, for `poe seed` and for tests."""

from datetime import date
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Final, TypeVar

from polyfactory.factories.sqlalchemy_factory import SQLAlchemyFactory
from polyfactory.field_meta import FieldMeta
from sqlalchemy.orm import DeclarativeBase

from devtools.application import PROJECT
from devtools.seed import SeedError
from devtools.seed.limits import checks_of
from devtools.seed.models import Filled
from devtools.seed.values import Maker, Values

ModelT = TypeVar("ModelT", bound=DeclarativeBase)

_SAME_DAY: Final = date(2026, 1, 1)
"""Around which dates are where a seed makes everything the same each time."""


class Makers:
    """What makes the values of a row that are not those of other rows."""

    def __init__(self, filled: Filled, values: Values) -> None:
        self._filled = filled
        self._values = values

    @property
    def values(self) -> Values:
        """Return where the values come from."""
        return self._values

    @cached_property
    def by_name(self) -> dict[str, Maker]:
        """Return a maker for each attribute that needs a value; raises SeedError for a type that is not known."""
        found: dict[str, Maker] = {}
        checks = checks_of(self._filled.tables)
        for name, column in self._filled.own.items():
            make = self._values.maker(column, checks.limits[column.name], self._filled.annotations.get(name))
            if make is None:
                where = self._filled.where(name)
                raise SeedError(f"{where} is of the type {column.type!r}: say in a factory what it holds.")
            found[name] = make
        return found


class Factory(SQLAlchemyFactory[ModelT]):
    """Makes entities of a model, each column with a realistic value unless the factory says something else.

    `class InvoiceFactory(Factory[Invoice])` says it by a class method of the column's name, or by polyfactory's `Use`
    and `PostGenerated`. `InvoiceFactory.build(total=7)` is an invoice that no session knows yet, and
    `InvoiceFactory.batch(3)` are three. Foreign keys and what has a default are left out: hand them over.
    """

    __is_base_factory__ = True
    __set_relationships__ = False
    __set_association_proxy__ = False

    __today__: ClassVar[date | None] = None
    _kept: ClassVar[tuple[list[FieldMeta], Makers] | None] = None

    @classmethod
    def seed_random(cls, seed: int) -> None:
        """Make the same from here on as each time after this seed, on any day."""
        super().seed_random(seed)
        cls.__today__ = _SAME_DAY

    @classmethod
    def declared(cls) -> set[str]:
        """Return the columns of which the factory itself says what they hold."""
        return {name for name in Filled.of(cls.__model__).columns if hasattr(cls, name) and not hasattr(Factory, name)}

    @classmethod
    def get_model_fields(cls) -> list[FieldMeta]:
        """Return the columns that get a value."""
        return cls._own()[0]

    @classmethod
    def get_field_value(cls, field_meta: FieldMeta, *_: Any, **__: Any) -> Any:
        """Return a realistic value."""
        return cls._own()[1].by_name[field_meta.name]()

    @classmethod
    def _own(cls) -> tuple[list[FieldMeta], Makers]:
        kept = cls.__dict__.get("_kept")
        if kept is None or kept[1].values.random is not cls.__random__:
            filled = Filled.of(cls.__model__)
            names = cls.declared().union(filled.own)
            fields = [FieldMeta(name=name, annotation=object) for name in filled.columns if name in names]
            kept = fields, Makers(filled, Values(cls.__faker__, cls.__random__, cls.__today__))
            cls._kept = kept
        return kept


def written_factories() -> dict[type[DeclarativeBase], type[Factory[Any]]]:
    """Return the factories of the modules below `tests` that are called `factories`, by their models."""
    for file in sorted(PROJECT.joinpath("tests").rglob("factories.py")):
        import_module(".".join(file.relative_to(PROJECT).with_suffix("").parts))
    found: dict[type[DeclarativeBase], type[Factory[Any]]] = {}
    classes = [*Factory.__subclasses__()]
    for each in classes:
        classes.extend(each.__subclasses__())
        found[each.__model__] = each
    return found
