"""Values in paths and query strings have one spelling: item 10 is `/items/10`, and not `/items/1_0` or `/items/+10`.

Pydantic reads more than the description of the API allows: signs, spaces, underscores and digits of other scripts in
numbers, and 0 as the first of January 1970. Booleans are left to it: `True` is what clients in Python send.
"""

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin
from uuid import UUID

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, PlainValidator, WrapValidator
from pydantic.fields import FieldInfo


class Spelling(NamedTuple):
    """How values of a type are written, and what pydantic says of one that it cannot read."""

    pattern: re.Pattern[str]
    error: str
    message: str


Spellings: TypeAlias = Mapping[str, tuple[Spelling, ...]]
"""The spellings of each parameter, of which one has to fit."""

_INTEGER: Final = r"0|-?[1-9][0-9]*"
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# RFC 9562 has upper case read, too, and some platforms write it.
_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"

_BY_TYPE: Final[Mapping[Any, Spelling]] = {
    kind: Spelling(re.compile(pattern), error, f"Input should be a valid {what}")
    for kind, pattern, error, what in (
        (int, _INTEGER, "int_parsing", "integer, unable to parse string as an integer"),
        (float, _NUMBER, "float_parsing", "number, unable to parse string as a number"),
        (Decimal, _NUMBER, "decimal_parsing", "decimal"),
        (UUID, _UUID, "uuid_parsing", "UUID"),
        (date, _DATE, "date_parsing", "date in the format YYYY-MM-DD"),
        (datetime, f"{_DATE}(?:[Tt ]{_TIME})?", "datetime_parsing", "datetime in the format of RFC 3339"),
    )
}
_READERS: Final = (BeforeValidator, PlainValidator, WrapValidator)


class SpellingRoute(APIRoute):
    """A route that refuses values of its path and its query, with 422, unless they are spelled as described.

    It knows those that the endpoint and its dependencies ask for. One with a validator that sees the string, such as a
    `BeforeValidator`, is left to that.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what FastAPI calls for each request."""
        handle = super().get_route_handler()
        path, query = _spellings(self.dependant)
        if not path and not query:
            return handle

        async def handle_as_spelled(request: Request) -> Response:
            errors = _errors("path", request.path_params.items(), path)
            if query and request.scope["query_string"]:
                errors += _errors("query", request.query_params.multi_items(), query)
            if errors:
                raise RequestValidationError(errors)
            return await handle(request)

        return handle_as_spelled


def _errors(place: str, values: Iterable[tuple[str, Any]], spellings: Spellings) -> list[dict[str, Any]]:
    errors = []
    for name, value in values:
        known = spellings.get(name)
        # A convertor of the path, as in `{number:int}`, has made something else of the string.
        if known and isinstance(value, str) and not any(each.pattern.fullmatch(value) for each in known):
            errors.append({"type": known[0].error, "loc": (place, name), "msg": known[0].message, "input": value})
    return errors


def _spellings(dependant: Dependant) -> tuple[Spellings, Spellings]:
    """Return the spellings of what an endpoint and its dependencies take from the path, and from the query."""
    path: dict[str, tuple[Spelling, ...]] = {}
    query: dict[str, tuple[Spelling, ...]] = {}
    for each in dependant.dependencies:
        for found, further in zip((path, query), _spellings(each), strict=True):
            found.update(further)
    for found, fields in ((path, dependant.path_params), (query, dependant.query_params)):
        for field in fields:
            found.update(_of_parameter(field.name, field.field_info))
    return path, query


def _of_parameter(name: str, info: FieldInfo) -> Iterator[tuple[str, tuple[Spelling, ...]]]:
    """Yield the spellings of a parameter, or of each that a model of parameters has."""
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        for inner, field in info.annotation.model_fields.items():
            yield from _of_parameter(inner, field)
    elif spellings := _of_type(info.annotation, info.metadata):
        alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
        yield alias or name, spellings


def _of_type(annotation: Any, metadata: Iterable[Any] = ()) -> tuple[Spelling, ...]:
    """Return the spellings of a type, or none if a string can be any of its values, or is read by its validator."""
    if any(isinstance(each, _READERS) for each in metadata):
        return ()
    # A type by another name, by `type` or `NewType`.
    annotation = getattr(annotation, "__value__", getattr(annotation, "__supertype__", annotation))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_type(arguments[0], arguments[1:])
    if origin in (Union, UnionType, list, set, frozenset, tuple):
        each = [_of_type(argument) for argument in arguments if argument not in (NoneType, Ellipsis)]
        return tuple(spelling for found in each for spelling in found) if all(each) else ()
    if isinstance(annotation, type) and issubclass(annotation, Enum) and issubclass(annotation, int):
        annotation = int
    return (_BY_TYPE[annotation],) if annotation in _BY_TYPE else ()
