"""Field types that refuse, with 422, what the database could not store."""

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

T = TypeVar("T")

MAX_BIGINT: Final = 2**63 - 1


def _refuse_coercion(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


NoCoercion: Final = BeforeValidator(_refuse_coercion)
"""For an integer in a body: 7 is one, and 7.0, as in JSON Schema, but not "7" or true, which pydantic would take."""

Identifier = Annotated[int, Field(ge=1, le=MAX_BIGINT)]
"""A primary key. A larger number does not fit into the database's 64 bits."""

Reference = Annotated[int, Field(ge=1, le=9 * 10**18), NoCoercion]
"""A primary key in a body.

The bound is round because OpenAPI writes it as a double, and would round one with more digits up to what is refused.
"""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""A string without NUL: databases refuse it or cut the text off there."""

ShortText = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
"""A line, such as a name: not empty, and short enough for an index."""

LongText = Annotated[Text, StringConstraints(max_length=100_000)]
"""As much as people write."""

BigInt = Annotated[int, Field(ge=-MAX_BIGINT - 1, le=MAX_BIGINT)]
"""Any number of 64 bits, in paths, queries and cursors."""

Integer = Annotated[int, Field(ge=-9 * 10**18, le=9 * 10**18), NoCoercion]
"""A number in a body. Its bounds are round, as those of `Reference` are."""

_NUMBER: Final = re.compile(r"\s*[+-]?[\d._]+\s*")


def _refuse_timestamp(value: object) -> object:
    if isinstance(value, (int, float)) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise PydanticCustomError("date_type", "Input should be a date or time as in RFC 3339, not a number")
    return value


NoTimestamp: Final = BeforeValidator(_refuse_timestamp)
"""For days and times: pydantic would take 0, and "0", for the first second of 1970."""

Day = Annotated[date, NoTimestamp]
"""A day, such as 2026-12-31."""

Moment = Annotated[AwareDatetime, NoTimestamp]
"""A time with its zone. One without could be any moment of a day, and the database refuses it."""

if TYPE_CHECKING:
    Omittable: TypeAlias = T | None
else:

    class Omittable:
        """A field that clients may leave out, but not send as null: `name: Omittable[Text] = LEFT_OUT`.

        One that was left out is None, as the type says; `model_dump(exclude_unset=True)` has those that were sent.
        """

        def __class_getitem__(cls, sent: object) -> object:
            """Return the type that is validated: null is none of its values."""
            return sent


LEFT_OUT: Final[None] = Field(default_factory=lambda: None)
"""The default of such a field. It is made by a factory, so that the JSON schema shows no null either."""

Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page has at most.")]
"""The size of a page."""

Cursor = Annotated[str | None, Query(max_length=2000, description="The `next_cursor` of the page before.")]
"""Where a page begins. It holds what the page is ordered by, such as a name."""

Total = Annotated[bool, Query(description="Whether `X-Total-Count` is to say how many there are.")]
"""Whether a list is counted, which may cost more than a page of it."""

Search = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description='Words that have to be there: `"a phrase"`, `-without`, `this or that`.',
    ),
]
"""What a list is searched for, as it is typed."""
