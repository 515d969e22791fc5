"""Which tests of the suites have run, and which count as they ended elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.running.steps import step_of


@dataclass(frozen=True)
class Ran:
    """How many tests of one suite ran, and how many were taken over from which combination."""

    ran: int
    taken_over: dict[str, int]

    @classmethod
    def of(cls, recorded: dict[str, Any]) -> Ran:
        """What a test has recorded of it."""
        return cls(recorded["ran"], recorded["taken over"])

    def __str__(self) -> str:
        others = [f"{number} = {combination}" for combination, number in sorted(self.taken_over.items())]
        return " + ".join([*([str(self.ran)] if self.ran or not others else []), *others])


HEADS = {"suite": "its owner's tests", "kit": "tests of the kit"}
"""The columns, by the steps that run them."""


def rows_of_tests(suites: Mapping[str, Ran]) -> list[dict[str, str]]:
    """The cells of a table with a row for each combination, from the suites by the tests that ran them."""
    rows: dict[str, dict[str, str]] = {}
    for nodeid, suite in suites.items():
        combination, step = step_of(nodeid)
        row = rows.setdefault(combination, {"combination": combination, **dict.fromkeys(HEADS.values(), "")})
        row[HEADS[step]] = str(suite)
    return [*rows.values()]


def sum_of_tests(suites: Iterable[Ran]) -> str:
    """How many tests ran, and how many were taken over, in one line."""
    ran, taken_over = map(sum, zip(*((suite.ran, sum(suite.taken_over.values())) for suite in suites), strict=True))
    return (
        f"{ran + taken_over} tests: {ran} ran, {taken_over} were taken over from where all that they need is the same"
    )
