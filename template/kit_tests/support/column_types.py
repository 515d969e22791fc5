"""Columns of every type, each with a value: those that all databases have, and a table of them and others."""

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    literal,
    select,
)

Values: TypeAlias = Mapping[str, tuple[Any, Any]]
"""A type and a value of it, by the name of its column."""


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Shouted(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: object) -> str | None:
        return value and value.lower()

    def process_result_value(self, value: str | None, _dialect: object) -> str | None:
        return value and value.upper()


NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

COMMON: Values = {
    "small": (SmallInteger, 7),
    "integer": (Integer, -(2**31)),
    "big": (BigInteger, 2**63 - 1),
    "numeric": (Numeric(12, 3), Decimal("1.500")),
    "numeric_float": (Numeric(12, 3, asdecimal=False), 2.25),
    "float": (Float, 1.5),
    "float_decimal": (Float(asdecimal=True), Decimal("1.25")),
    "double": (Double, 1e300),
    "boolean": (Boolean, True),
    "string": (String(20), "ü"),
    "text": (Text, "'; --"),
    "uuid": (Uuid, UUID(int=5)),
    "uuid_text": (Uuid(as_uuid=False), str(UUID(int=6))),
    "enum": (Enum(Colour, name="colour"), Colour.RED),
    "enum_text": (Enum(Colour, native_enum=False), Colour.BLUE),
    "enum_letters": (Enum("a", "b", name="letters"), "b"),
    "json": (JSON, {"a": [1, None]}),
    "json_list": (JSON, ["x"]),
    "json_null": (JSON(none_as_null=True), None),
    "interval": (Interval, timedelta(days=1, seconds=2)),
    "date": (Date, date(2026, 1, 1)),
    "time": (Time, time(1, 2)),
    "naive": (DateTime, NOW.replace(tzinfo=None)),
    "bytes": (LargeBinary, b"\0x"),
    "pickle": (PickleType, {"p": 1}),
    "decorated": (Shouted, "Hello"),
}


def typed_table(values: Values) -> Table:
    """Return a table with these columns, and with some that have defaults or another name."""
    return Table(
        "typed",
        MetaData(),
        Column("id", Integer, Identity(), primary_key=True),
        *(Column(name, kind) for name, (kind, _) in values.items()),
        Column("other_name", Text, key="renamed"),
        Column("scalar", Integer, default=7),
        Column("on_server", Integer, server_default="8"),
        Column("expression", Integer, default=select(literal(9)).scalar_subquery()),
        Column("changed", Integer, onupdate=10),
    )
