"""Decimal numbers that clients send, such as amounts of money."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import isclose
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_ROUNDING = 1e-15
"""How far a number is off, relative to itself, that a program has added up from others."""


@dataclass(frozen=True)
class Digits:
    """How many digits a decimal number has at most, and how many of them after its point.

    `Annotated[Decimal, Digits(12, 2)]` takes what `Numeric(12, 2)` stores without rounding it, as a string or a number,
    and answers with a string. The description of the API says so, where that of pydantic has any string. Of a number
    that a program has added up, such as 0.30000000000000004, the decimal number is taken that it stands for.
    """

    total: int
    places: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return how it is validated."""
        decimal = core_schema.decimal_schema(max_digits=self.total, decimal_places=self.places)
        return core_schema.no_info_before_validator_function(self._read, decimal)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return how it is described."""
        text = {"type": "string", "pattern": f"^{self._pattern.pattern}$"}
        if handler.mode == "serialization":
            return text
        bound = 10 ** (self.total - self.places)
        number = {"type": "number", "exclusiveMinimum": -bound, "exclusiveMaximum": bound}
        return {"anyOf": [number | {"multipleOf": 10**-self.places}, text]}

    def _read(self, value: object) -> object:
        if isinstance(value, bool) or (isinstance(value, str) and not self._pattern.fullmatch(value)):
            raise PydanticCustomError(
                "decimal_parsing",
                "Input should be a decimal number of {total} digits at most, {places} of them after the point",
                {"total": self.total, "places": self.places},
            )
        if isinstance(value, float):
            nearest = round(value, self.places)
            if isclose(value, nearest, rel_tol=_ROUNDING):
                return Decimal(repr(nearest))
        return value

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        whole = self.total - self.places
        before = f"(0|[1-9][0-9]{{0,{whole - 1}}})" if whole else "0"
        after = f"(\\.[0-9]{{1,{self.places}}})?" if self.places else ""
        return re.compile(f"-?{before}{after}")
