"""CHECKs are read as far as they compare a column with something; others are left to the database."""

from decimal import Decimal

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Numeric, String, Table, column
from sqlalchemy.sql.elements import ColumnElement

from devtools.seed.factory import Factory
from devtools.seed.limits import checks_of
from devtools.seed.values import Values

NUMBERS = {
    "a >= 5": (5, None),
    "a > 5 AND a < 7": (6, 6),
    "(a > 5) AND (a < 7)": (6, 6),
    "((a >= 5 AND a <= 7))": (5, 7),
    "a BETWEEN 30000 AND 30001": (30000, 30001),
    "5 <= a": (5, None),
    "a IS NULL OR a > -3": (-2, None),
    "a < -500": (None, -501),
    '"a" <= 3': (None, 3),
    "t.a >= 20000": (20000, None),
}


@pytest.mark.parametrize("check", [*NUMBERS, column("a") >= 5], ids=str)
def test_numbers_keep_to_their_check(check: str | ColumnElement[bool]) -> None:
    least, most = NUMBERS.get(str(check), (5, None))
    table = Table("t", MetaData(), Column("a", Integer, nullable=False), CheckConstraint(check))
    make = Values(Factory.__faker__, Factory.__random__).maker(table.c.a, checks_of([table]).limits["a"])
    assert make is not None
    made = {make() for _ in range(300)}
    assert least is None or min(made) >= least
    assert most is None or max(made) <= most


def test_fractions_keep_to_bounds_that_are_close() -> None:
    table = Table("t", MetaData(), Column("a", Numeric(4, 3), CheckConstraint("a > 0 AND a < 1"), nullable=False))
    make = Values(Factory.__faker__, Factory.__random__).maker(table.c.a, checks_of([table]).limits["a"])
    assert make is not None
    made = {make() for _ in range(100)}
    assert len(made) > 50
    assert all(Decimal(0) < value < Decimal(1) for value in made)


@pytest.mark.parametrize(
    ("check", "shortest", "longest"), [("length(a) > 40", 41, 60), ("char_length(a) <= 3", 1, 3), ("a <> ''", 1, 60)]
)
def test_texts_are_as_long_as_they_may_be(check: str, shortest: int, longest: int) -> None:
    table = Table("t", MetaData(), Column("a", String(60), CheckConstraint(check), nullable=False))
    make = Values(Factory.__faker__, Factory.__random__).maker(table.c.a, checks_of([table]).limits["a"])
    assert make is not None
    assert all(shortest <= len(make()) <= longest for _ in range(100))


@pytest.mark.parametrize("check", ["a > 5 OR a < 3", "a % 2 = 0", "a > b + 1", "NOT a > 5"])
def test_what_cannot_be_read_is_left_to_the_database(check: str) -> None:
    table = Table("t", MetaData(), Column("a", Integer, nullable=False), CheckConstraint(check))
    checks = checks_of([table])
    assert checks.limits["a"].least is None
    assert checks.limits["a"].most is None
    assert checks.in_order == []
