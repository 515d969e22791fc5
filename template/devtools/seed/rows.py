"""Rows: values of their own, references to rows that are there, and no key twice."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from random import Random
from typing import Any, Final

from sqlalchemy import Column, SmallInteger, Uuid, func, select, tuple_
from sqlalchemy import Enum as EnumType

from app.kit.database.sessions import Database, ReadingSession
from devtools.seed import SeedError
from devtools.seed.limits import Limits, checks_of
from devtools.seed.models import Filled, Reference

Row = dict[str, Any]

_KNOWN: Final = 100_000
"""How many rows of a table are chosen from."""

_NULLS: Final = 0.2
"""How many of the references that may be null are."""

_ATTEMPTS: Final = 8
"""How often a row is made anew whose key is taken."""

_ASKED: Final = 1_000
"""Of how many keys the database is asked at once whether it has them."""


class NoMoreError(Exception):
    """Every row that could be referred to once has been."""


class References:
    """Chooses the rows that others refer to."""

    def __init__(self, filled: Filled, random: Random) -> None:
        self._filled = filled
        self._random = random
        self._rows: dict[Reference, list[tuple[Any, ...]]] = {}
        self._once: set[Reference] = set()
        """Those of which no two rows refer to the same."""
        self._indexes: dict[tuple[Reference, tuple[int, ...]], dict[tuple[Any, ...], list[tuple[Any, ...]]]] = {}

    async def read(self, session: ReadingSession, without: set[str]) -> None:
        """Read which rows there are to refer to, for the foreign keys that these attributes are not part of."""
        for reference in self._filled.references:
            if without.isdisjoint(reference.attributes):
                statement = select(*reference.columns).order_by(*reference.columns).limit(_KNOWN)
                self._rows[reference] = [tuple(row) for row in await session.execute(statement)]
                if self._rows[reference] and self._filled.keys_among(reference.attributes):
                    self._random.shuffle(self._rows[reference])
                    self._once.add(reference)
        self._indexes.clear()

    def choose(self) -> Row:
        """Return the attributes of a row that refer to others.

        Raises SeedError if one must refer to a row and there is none, and NoMoreError if all are taken.
        """
        for _ in range(_ATTEMPTS):
            chosen: Row = {}
            missing = [reference for reference in self._rows if not self._add(reference, chosen)]
            # What is left of a foreign key that was let be null, and belongs to no other.
            missing += [reference for reference in self._rows if not chosen.keys() >= {*reference.attributes}]
            if not missing:
                return chosen
        to = missing[0].table.name
        raise SeedError(
            f"{self._filled.where(*missing[0].attributes)} refers to a row of {to}, and none there fits: "
            f"fill that first, such as by `uv run poe seed {to} {self._filled.name}`."
        )

    def _add(self, reference: Reference, chosen: Row) -> bool:
        """Choose a row for a foreign key, of which others may have chosen a part; tell whether there is one."""
        known = tuple(place for place, name in enumerate(reference.attributes) if chosen.get(name) is not None)
        rows = self._fitting(reference, known, chosen)
        free = reference.nullable.difference(chosen)
        if free and (not rows or self._random.random() < _NULLS):
            chosen.update(dict.fromkeys(free))
            return True
        if reference in self._once and not known:
            if not rows:
                raise NoMoreError
            row = rows.pop()
        elif rows:
            row = self._random.choice(rows)
        else:
            return False
        chosen.update(zip(reference.attributes, row, strict=True))
        return True

    def _fitting(self, reference: Reference, known: tuple[int, ...], chosen: Row) -> list[tuple[Any, ...]]:
        if not known:
            return self._rows[reference]
        if (reference, known) not in self._indexes:
            index: defaultdict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
            for row in self._rows[reference]:
                index[tuple(row[place] for place in known)].append(row)
            self._indexes[reference, known] = index
        return self._indexes[reference, known].get(tuple(chosen[reference.attributes[place]] for place in known), [])


class Rows:
    """Makes the rows of a model, or of a table without one."""

    def __init__(self, filled: Filled, make: Callable[[Row], Row], declared: set[str], random: Random) -> None:
        """Take what completes a row that has its references, and the attributes that are its own business."""
        self._filled = filled
        self._make = make
        self._declared = declared
        self._random = random
        self._references = References(filled, random)
        self._checks = checks_of(filled.tables)
        names = {column.name: name for name, column in filled.columns.items()}
        self._in_order = [
            (names[one], names[other]) for one, other in self._checks.in_order if one in names and other in names
        ]
        self._number: int | None = None

    async def batch(self, database: Database, size: int) -> list[Row]:
        """Return up to so many rows that can be stored: fewer where there is no more to be had that is unique."""
        async with database.read() as session:
            if self._number is None or self._filled.refers_to_itself:
                await self._references.read(session, self._declared)
            if self._number is None:
                self._number = await session.scalar(select(func.count()).select_from(self._filled.table)) or 0
            rows = [*islice(self._new_rows(), size)]
            if not rows:
                return []
            keys = Keys(self._filled.keys_among(rows[0]), self._filled)
            for attempt in range(_ATTEMPTS):
                taken = await keys.taken(session, rows)
                if not taken:
                    break
                for place, key in taken.items():
                    self._change(rows[place], key, attempt)
            else:
                taken = await keys.taken(session, rows)
            return [row for place, row in enumerate(rows) if place not in taken]

    def _new_rows(self) -> Iterator[Row]:
        with suppress(NoMoreError):
            while True:
                yield self._row()

    def _row(self) -> Row:
        row = self._make(self._references.choose())
        for smaller, larger in self._in_order:
            one, other = row.get(smaller), row.get(larger)
            if one is not None and other is not None and one > other:
                row[smaller], row[larger] = other, one
        return row

    def _change(self, row: Row, key: tuple[str, ...], attempt: int) -> None:
        """Give a row another key: the same with a number, or else with all that is in it."""
        if len(key) == 1 or attempt >= _ATTEMPTS / 2:
            self._number = (self._number or 0) + 1
            number = self._number if attempt < _ATTEMPTS / 2 else self._random.randrange(10**6, 10**9)
            for name in (name for name in key if not self._filled.columns[name].foreign_keys):
                column = self._filled.columns[name]
                other = varied(row[name], column, self._checks.limits[column.name], number, self._random)
                if other != row[name]:
                    row[name] = other
                    return
        with suppress(NoMoreError):
            row.update(self._row())


class Keys:
    """Tells which rows have a key that another one has, in a batch or in the database."""

    def __init__(self, keys: Sequence[tuple[str, ...]], filled: Filled) -> None:
        self._keys = keys
        self._filled = filled
        self._free: defaultdict[tuple[str, ...], set[tuple[Any, ...]]] = defaultdict(set)
        """Values of which the database has said that it does not have them."""

    async def taken(self, session: ReadingSession, rows: Sequence[Row]) -> dict[int, tuple[str, ...]]:
        """Return the places of these rows, each with a key that is taken."""
        found: dict[int, tuple[str, ...]] = {}
        for key in self._keys:
            values = [tuple(row[name] for name in key) for row in rows]
            stored = await self._stored(session, key, {value for value in values if None not in value})
            seen: set[tuple[Any, ...]] = set()
            for place, value in enumerate(values):
                if None in value:
                    continue
                folded = _folded(value)
                if folded in seen or folded in stored:
                    found[place] = key
                seen.add(folded)
        return found

    async def _stored(
        self, session: ReadingSession, key: tuple[str, ...], values: set[tuple[Any, ...]]
    ) -> set[tuple[Any, ...]]:
        columns = [self._filled.columns[name] for name in key]
        asked = sorted(values - self._free[key], key=repr)
        found: set[tuple[Any, ...]] = set()
        for start in range(0, len(asked), _ASKED):
            part = asked[start : start + _ASKED]
            is_one = columns[0].in_([value for (value,) in part]) if len(key) == 1 else tuple_(*columns).in_(part)
            found.update(_folded(tuple(row)) for row in await session.execute(select(*columns).where(is_one)))
        self._free[key].update(value for value in asked if _folded(value) not in found)
        return found


def _folded(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return values without the difference between letters, which not every key knows."""
    return tuple(value.casefold() if type(value) is str else value for value in values)


def varied(value: Any, column: Column[Any], limits: Limits, number: int, random: Random) -> Any:  # noqa: PLR0911 - a case for each type
    """Return another value like this one, or the same if there are few of its kind."""
    match value:
        case bool() | Enum():
            return value
        case str():
            bounds = [bound for bound in (getattr(column.type, "length", None), limits.longest) if bound is not None]
            fixed = limits.texts or isinstance(column.type, (EnumType, Uuid))
            return value if fixed else _numbered(value, number, min(bounds, default=None))
        case int():
            largest = Decimal(2**15 - 1 if isinstance(column.type, SmallInteger) else 2**31 - 1)
            least, most = map(int, limits.between(Decimal(1), largest, Decimal(1)))
            return number if least <= number <= most else random.randint(least, most)
        case float() | Decimal():
            scale, digits = getattr(column.type, "scale", None), getattr(column.type, "precision", None)
            step = Decimal(1).scaleb(-(2 if scale is None else scale))
            largest = Decimal(10) ** ((digits or 12) - (2 if scale is None else scale)) - step
            low, high = limits.between(step, largest, step)
            return type(value)(random.randint(int(low / step), int(high / step)) * step)
        case datetime():
            return value - timedelta(microseconds=random.randrange(10**13))
        case date():
            return value - timedelta(days=random.randrange(20_000))
        case bytes():
            return random.randbytes(len(value))
    return value


def _numbered(text: str, number: int, longest: int | None) -> str:
    """Return a text with a number, where people would write it."""
    written = str(number)
    if longest is not None and len(written) > longest:
        return text
    name, at, domain = text.partition("@")
    if at and (longest is None or len(text) + len(written) <= longest):
        return f"{name}{written}{at}{domain}"
    end = f"-{written}" if text.islower() and " " not in text else f" {written}"
    if longest is None:
        return text + end
    return f"{text[: longest - len(end)]}{end}" if len(end) <= longest else written
