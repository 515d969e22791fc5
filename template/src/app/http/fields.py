"""Field types that refuse, with 422, what the database could not store."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

MAX_BIGINT: Final = 2**63 - 1

Identifier = Annotated[int, Field(ge=1, le=MAX_BIGINT)]
"""A primary key. A larger number does not fit into the database's 64 bits."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""A string without NUL: databases refuse it or cut the text off there."""
