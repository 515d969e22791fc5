"""What a table's CHECKs say of its columns, as far as they compare one with numbers, with texts or with another."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Final

from sqlalchemy import CheckConstraint, Table
from sqlalchemy.exc import CompileError

_COLUMN: Final = r'(?:\w+\.)?"?(?P<column>\w+)"?'
_NUMBER: Final = r"\(?(?P<number>-?\d+(?:\.\d+)?)\)?"
_SIGN: Final = r"(?P<sign><=|>=|<|>)"
_BETWEEN: Final = re.compile(r"(\S+)\s+between\s+(\S+)\s+and\s+(\S+)", re.IGNORECASE)
_AND: Final = re.compile(r"\s+and\s+", re.IGNORECASE)
_OR_NULL: Final = re.compile(r'^"?\w+"?\s+is\s+null\s+or\s+(?!.*\sor\s)', re.IGNORECASE)
_OF_A_NUMBER: Final = re.compile(rf"{_COLUMN}\s*{_SIGN}\s*{_NUMBER}")
_NUMBER_FIRST: Final = re.compile(rf"{_NUMBER}\s*{_SIGN}\s*{_COLUMN}")
_LENGTH: Final = rf"(?:char_|character_)?length\(\s*{_COLUMN}\s*\)"
_OF_A_LENGTH: Final = re.compile(rf"{_LENGTH}\s*{_SIGN}\s*{_NUMBER}", re.IGNORECASE)
_TEXT: Final = r"\s*'(?:[^']|'')*'\s*"
_OF_TEXTS: Final = re.compile(rf"{_COLUMN}\s+in\s*\((?P<texts>{_TEXT}(?:,{_TEXT})*)\)", re.IGNORECASE)
_OF_TWO: Final = re.compile(rf'{_COLUMN}\s*{_SIGN}\s*(?:\w+\.)?"?(?P<other>[A-Za-z_]\w*)"?')
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass
class Limits:
    """What the values of a column have to be."""

    least: Decimal | None = None
    above_least: bool = False
    """Whether the least is itself too small."""
    most: Decimal | None = None
    below_most: bool = False
    shortest: int = 0
    longest: int | None = None
    texts: tuple[str, ...] = ()

    def between(self, least: Decimal, most: Decimal, step: Decimal) -> tuple[Decimal, Decimal]:
        """Return the numbers between which values are, which these two are as far as they fit."""
        lowest = None if self.least is None else self.least + step * self.above_least
        highest = None if self.most is None else self.most - step * self.below_most
        if lowest is not None and not lowest <= least <= (most if highest is None else highest):
            most, least = max(most, lowest + (most - least)), lowest
        if highest is not None and not (lowest or least) <= most <= highest:
            least, most = min(least, highest) if lowest is None else lowest, highest
        return least, most


@dataclass(frozen=True)
class Checks:
    """What is known of a table's columns, by their names."""

    limits: defaultdict[str, Limits]
    in_order: Sequence[tuple[str, str]]
    """Pairs of columns of which the first has the smaller value."""


def checks_of(tables: Iterable[Table]) -> Checks:
    """Read the CHECKs of tables. What is written in another way is left to the database."""
    limits: defaultdict[str, Limits] = defaultdict(Limits)
    in_order: list[tuple[str, str]] = []
    parts = chain.from_iterable((table, *table.columns) for table in tables)
    for constraint in chain.from_iterable(part.constraints for part in parts):
        if isinstance(constraint, CheckConstraint):
            for condition in _conditions(constraint):
                _note(condition, limits, in_order)
    return Checks(limits, in_order)


def _conditions(constraint: CheckConstraint) -> Iterator[str]:
    try:
        text = str(constraint.sqltext.compile(compile_kwargs={"literal_binds": True}))
    except CompileError:
        return
    text = _OR_NULL.sub("", " ".join(text.split()))
    if re.search(r"\sor\s", text, re.IGNORECASE):
        return
    yield from _AND.split(_BETWEEN.sub(r"\1 >= \2 and \1 <= \3", text))


def _note(condition: str, limits: defaultdict[str, Limits], in_order: list[tuple[str, str]]) -> None:
    condition = _without_brackets(condition)
    if match := _OF_TEXTS.fullmatch(condition):
        found = re.findall(r"'((?:[^']|'')*)'", match["texts"])
        limits[match["column"]].texts = tuple(text.replace("''", "'") for text in found)
    elif match := _OF_A_LENGTH.fullmatch(condition):
        _bound_length(limits[match["column"]], match["sign"], int(Decimal(match["number"])))
    elif match := _OF_A_NUMBER.fullmatch(condition):
        _bound(limits[match["column"]], match["sign"], Decimal(match["number"]))
    elif match := _NUMBER_FIRST.fullmatch(condition):
        _bound(limits[match["column"]], _TURNED[match["sign"]], Decimal(match["number"]))
    elif match := _OF_TWO.fullmatch(condition):
        pair = match["column"], match["other"]
        in_order.append(pair if match["sign"].startswith("<") else pair[::-1])


def _without_brackets(condition: str) -> str:
    condition = condition.strip()
    # What AND has split may have kept one half of a pair.
    while condition.startswith("(") and condition.count("(") >= condition.count(")"):
        condition = condition[1:].strip()
        if condition.endswith(")") and condition.count(")") > condition.count("("):
            condition = condition[:-1].strip()
    while condition.endswith(")") and condition.count(")") > condition.count("("):
        condition = condition[:-1].strip()
    return condition


def _bound(limits: Limits, sign: str, number: Decimal) -> None:
    if sign.startswith(">"):
        limits.least, limits.above_least = number, sign == ">"
    else:
        limits.most, limits.below_most = number, sign == "<"


def _bound_length(limits: Limits, sign: str, number: int) -> None:
    if sign.startswith(">"):
        limits.shortest = number + (sign == ">")
    else:
        limits.longest = number - (sign == "<")
