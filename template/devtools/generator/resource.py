"""A resource: its names, its fields, and what its files need to know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from devtools.generator.existing import Sample
from devtools.generator.fields import Field
from devtools.generator.naming import Names

_LONGEST_DOCSTRING: Final = 100
"""Characters that fit into a line with their quotes and indentation."""


@dataclass(frozen=True)
class Resource:
    """What is generated."""

    names: Names
    fields: Sequence[Field]
    soft_delete: bool
    """Whether rows that are deleted are kept and marked."""
    tables: Mapping[str, str]
    """The tables of the resources that it refers to."""
    samples: Sequence[Sample]
    """The rows of other tables that its tests need, each after those that it refers to."""

    @property
    def enums(self) -> list[Field]:
        """Return the fields that have an enum of their own."""
        return [field for field in self.fields if field.members]

    @property
    def aliases(self) -> list[Field]:
        """Return the fields whose types have a name in the schemas."""
        return [field for field in self.fields if field.alias]

    @property
    def references(self) -> list[Field]:
        """Return the fields that refer to other tables."""
        return [field for field in self.fields if field.refers_to is not None]

    @property
    def others(self) -> list[Field]:
        """Return the fields that refer to nothing."""
        return [field for field in self.fields if field.refers_to is None]

    @property
    def unique(self) -> list[Field]:
        """Return the fields of which no two rows have the same value."""
        return [field for field in self.others if field.unique]

    @property
    def filters(self) -> list[Field]:
        """Return the fields that lists can be filtered by."""
        return [field for field in self.fields if field.is_filter and not field.is_hidden]

    @property
    def presences(self) -> list[Field]:
        """Return the fields that may be null, and lists can be filtered by that."""
        taken = {field.name for field in self.fields}
        return [field for field in self.filters if field.nullable and field.presence not in taken]

    @property
    def remarks(self) -> list[str]:
        """Return what lists cannot be asked because of how fields are called."""
        hidden = [field.name for field in self.fields if field.is_filter and field.is_hidden]
        shadowed = [field for field in self.filters if field.nullable and field not in self.presences]
        return [
            *(f"Lists have no filter for {name}, as a parameter of that name means something else." for name in hidden),
            *(f"{each.presence} asks for the field of that name, and not for {each.name}." for each in shadowed),
        ]

    @property
    def searched(self) -> list[Field]:
        """Return the fields that lists can be searched by."""
        return [field for field in self.fields if field.search]

    @property
    def orders(self) -> list[Field]:
        """Return the fields that lists can be sorted by, besides the id."""
        return [field for field in self.fields if field.is_order]

    @property
    def sorts(self) -> list[str]:
        """Return the names of the orders, which descend with a minus."""
        return [f"{sign}{name}" for name in ("id", *(field.name for field in self.orders)) for sign in ("", "-")]

    @property
    def visible(self) -> str:
        """Return what its queries call the statement of everything that can be seen."""
        return "_VISIBLE" if self.soft_delete else "_ALL"

    @property
    def table_args(self) -> list[str]:
        """Return the constraints and indexes of the table."""
        return [*self._table_args()]

    def _table_args(self) -> Iterator[str]:
        for field in self.fields:
            if field.unique:
                yield f'UniqueConstraint("{field.name}")'
            elif field.index or field.refers_to is not None:
                # In the order in which its lists are read.
                yield f'Index(None, "{field.name}", "id")'

    def column(self, field: Field) -> str:
        """Return what the model says of a column, unless its annotation is enough."""
        if field.kind.column.startswith("JSON") and field.nullable:
            # Null is no value of its own beside that of JSON.
            return f"{field.kind.column}(none_as_null=True)"
        if field.refers_to is None:
            return field.kind.column
        return f'ForeignKey("{self.tables[field.refers_to]}.id")'

    def keyset(self, field: Field, *, descends: bool = False) -> str:
        """Return the keyset of a list that is sorted by a field."""
        way = ".desc()" if descends else ""
        kind = f"{field.asked}{field.optional}"
        if field.unique and not field.nullable:
            return f"Keyset({self.names.model}.{field.name}{way}, types=tuple[{kind}])"
        columns = f"{self.names.model}.{field.name}{way}, {self.names.model}.id{way}"
        return f"Keyset({columns}, types=tuple[{kind}, Identifier])"

    def sample_of(self, field: Field) -> Sample | None:
        """Return what a reference refers to, or None for one to the resource itself."""
        return next((sample for sample in self.samples if sample.resource == field.refers_to), None)

    @property
    def conflicts(self) -> str:
        """Return the sentence about what is answered with 409."""
        taken = [f"{field.words} that is taken" for field in self.fields if field.unique]
        missing = [f"{field.words.removesuffix(' id')} that does not exist" for field in self.references]
        if not taken and not missing:
            return ""
        sentence = f" A {' or a '.join([*taken, *missing])} is answered with 409."
        if len(f"Create {self.names.a}.{sentence}") <= _LONGEST_DOCSTRING:
            return sentence
        kinds = [*(["a value that is taken"] if taken else []), *(["a reference to nothing"] if missing else [])]
        return f" {' or '.join(kinds).capitalize()} is answered with 409."
