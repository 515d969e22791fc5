"""Bounds the errors that are made of one request: a body of a megabyte can be wrong in fifty thousand places."""

import json
from collections.abc import Iterator
from typing import Any, Final

from fastapi._compat import ModelField
from pydantic import ValidationError

MAX_ERRORS: Final = 20
"""How many of the values that are refused a response names."""

_DECODER: Final = json.JSONDecoder()


def first_errors(error: ValidationError) -> list[Any]:
    """Return the first errors as dictionaries, and without the input if there are more."""
    if error.error_count() <= MAX_ERRORS:
        return error.errors(include_url=False)
    return list(_read(error.json(include_url=False, include_input=False, include_context=False)))


def _read(text: str) -> Iterator[dict[str, Any]]:
    # pydantic writes them all to JSON in far less time than it makes dictionaries of them.
    end = 0
    for _ in range(MAX_ERRORS):
        item, end = _DECODER.raw_decode(text, end + 1)
        yield item


# relies on: this replaces a method of FastAPI's. `test_no_more_errors_are_made_than_are_shown` uses it.
def _validate(
    self: ModelField,
    value: Any,
    values: object = None,  # noqa: ARG001 - FastAPI's own does nothing with them either
    *,
    loc: tuple[int | str, ...] = (),
) -> tuple[Any, list[Any]]:
    try:
        return self._type_adapter.validate_python(value, from_attributes=True), []
    except ValidationError as error:
        return None, [{**each, "loc": (*loc, *each["loc"])} for each in first_errors(error)]


def bound_errors() -> None:
    """Have FastAPI make no more errors of one value than a response names."""
    ModelField.validate = _validate  # type: ignore[method-assign]
