"""Parts of the schema, and what is said of one that is not what the models say."""

from typing import Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["column", "default", "constraint", "index", "enum", "search", "trigger"]

BESIDE: Final = frozenset[Kind]({"index", "search", "trigger"})
"""What is made by statements of its own, after its table."""


class Item(NamedTuple):
    """A part of the schema."""

    kind: Kind
    table: str
    """Of an enum type, its own name."""
    name: str


class Difference(NamedTuple):
    """A part of the schema that is not what the models say: None is for what is not there."""

    item: Item
    models: str | None
    database: str | None

    @property
    def part(self) -> str:
        """Return what differs, such as `index ix_letter_title of letter`."""
        kind, table, name = self.item
        return f"enum {name}" if kind == "enum" else f"{kind} {name} of {table}"

    def __str__(self) -> str:
        """Name the part, and what it is here and there."""
        return f"{self.part}: the models have {self.models or 'none'}, the database {self.database or 'none'}"
