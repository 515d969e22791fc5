"""What a resource is called in code, in the database, in paths and in sentences."""

import keyword
import re
import sys
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Final
from unittest.mock import patch

from devtools.application import PROJECT
from devtools.generator import GeneratorError

# Inflect has typeguard check its arguments, for which typeguard parses it 35 times: 3 of 4 seconds of a start.
with patch.dict(sys.modules, typeguard=SimpleNamespace(typechecked=lambda function: function)):
    import inflect

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST: Final = 40
"""Names of indexes hold those of tables and columns, and databases do not know names of any length."""

_OF_EVERY_MODEL: Final = {"id", "version", "created_at", "updated_at", "deleted_at"}
_OF_LIBRARIES: Final = {"metadata", "registry", "type_annotation_map"}
"""What SQLAlchemy's declarative models have under these names is no column."""
_OF_SCHEMAS: Final = {"construct", "copy", "dict", "fields", "json", "schema", "validate"}
"""Methods that pydantic's models have, besides all that begins with `model_`."""
_OF_ROWS: Final = {"count", "index"}
"""Methods of tuples, which rows are."""
_TYPES: Final = {"bool", "date", "datetime", "dict", "int", "list", "str"}
"""What annotations name."""

_SERVICE: Final = PROJECT / "src" / "app"
_OF_THE_SERVICE: Final = {"kit", "migrations"}


@dataclass(frozen=True)
class Names:
    """The names of a resource, of which each has a singular and a plural."""

    plural: str
    """Of the package and the tests: `order_lines`."""
    singular: str
    """Of the table and of variables: `order_line`."""

    @property
    def model(self) -> str:
        """Return the name of the class, such as `OrderLine`."""
        return pascal_case(self.singular)

    @property
    def path(self) -> str:
        """Return the name in paths, such as `order-lines`."""
        return self.plural.replace("_", "-")

    @property
    def one(self) -> str:
        """Return how sentences call one, such as `order line`."""
        return self.singular.replace("_", " ")

    @property
    def many(self) -> str:
        """Return how sentences call several, such as `order lines`."""
        return self.plural.replace("_", " ")

    @property
    def a(self) -> str:
        """Return one with its article, such as `an order line`."""
        return with_article(self.one)


def names_of(plural: str, singular: str | None = None) -> Names:
    """Return the names of a resource that is named in the plural; raises GeneratorError.

    The singular is looked up in the rules of English, unless it is given.
    """
    check_word(plural, "resource")
    if plural in _OF_THE_SERVICE or (_SERVICE / f"{plural}.py").exists():
        raise GeneratorError(f"src/app/{plural} is a part of the service itself: choose another name.")
    if singular is None:
        *before, last = plural.split("_")
        found = _engine().singular_noun(last)
        if not found:
            raise GeneratorError(
                f"{plural} is not a plural that is known: name the resource in the plural, such as invoices, or add "
                f"--singular with what one of them is called."
            )
        singular = "_".join([*before, str(found)])
    check_word(singular, "singular")
    if singular == plural:
        raise GeneratorError(f"{plural} is its own singular: the two need names that differ.")
    return Names(plural, singular)


def check_word(name: str, what: str) -> None:
    """Raise GeneratorError for what is no name in lower case, or is a word of Python."""
    if not _NAME.fullmatch(name):
        raise GeneratorError(
            f"{name!r} is not usable as the name of a {what}: write lower-case letters, digits and single underscores, "
            "and begin with a letter."
        )
    if len(name) > _LONGEST:
        raise GeneratorError(f"{name} has {len(name)} characters: keep names to {_LONGEST} at most.")
    if keyword.iskeyword(name):
        raise GeneratorError(f"{name} is a keyword of Python: choose another name for the {what}.")


def check_field(name: str) -> None:
    """Raise GeneratorError for what cannot be the name of a field."""
    check_word(name, "field")
    if name in _OF_EVERY_MODEL:
        raise GeneratorError(f"{name} is a column that models get by themselves: leave it out, or choose another name.")
    taken = _OF_LIBRARIES | _OF_SCHEMAS | _OF_ROWS | _TYPES
    if name in taken or name.startswith("model_"):
        raise GeneratorError(f"{name} means something else in models, schemas or rows: choose another name.")


def pascal_case(name: str) -> str:
    """Return `OrderLine` for `order_line`."""
    return "".join(word.capitalize() for word in name.split("_"))


def with_article(noun: str) -> str:
    """Return `an invoice` for `invoice`."""
    return str(_engine().a(noun))


@cache
def _engine() -> inflect.engine:
    return inflect.engine()
