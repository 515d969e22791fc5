"""Which tests of the suites have run, and which count as they ended elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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


def table_of_tests(suites: dict[str, Ran]) -> Iterator[str]:
    """Lines of a table with a row for each combination, from the suites by the tests that ran them."""
    rows: dict[str, dict[str, Ran]] = {}
    for nodeid, suite in suites.items():
        combination, step = step_of(nodeid)
        rows.setdefault(combination, {})[step] = suite
    steps = [step for step in ("suite", "kit") if any(step in row for row in rows.values())]
    heads = {"suite": "its owner's", "kit": "of the kit"}
    cells = {name: [str(rows[name][step]) if step in rows[name] else "" for step in steps] for name in sorted(rows)}
    widths = [max(len(heads[step]), *(len(row[place]) for row in cells.values())) for place, step in enumerate(steps)]
    first = max(map(len, rows))
    for name, row in {"": [heads[step] for step in steps], **cells}.items():
        yield "  ".join(
            [f"{name:<{first}}", *(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))]
        ).rstrip()
    sums = Counter[str]()
    for suite in suites.values():
        sums["ran"] += suite.ran
        sums["taken over"] += sum(suite.taken_over.values())
    ran, taken_over = sums["ran"], sums["taken over"]
    yield f"{ran + taken_over} tests: {ran} ran, {taken_over} were taken over from where all that they need is the same"
