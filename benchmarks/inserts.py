"""What ways of inserting many rows cost by themselves, with each driver."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.arena import filled_database
from benchmarks.generated import install, service_in
from benchmarks.handwritten import install_drivers
from benchmarks.machine import describe
from benchmarks.markdown import listed, origin, table
from benchmarks.results import RESULTS, spread, write_results
from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.questions import ROOT
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run

_ROWS = (1_000, 10_000)
_TURNS = 5
"""How often each way is taken in what is a round elsewhere."""

_HEROES = 1_000


@dataclass(frozen=True)
class Inserts:
    """What was timed with one driver.

    Attributes:
        driver: Its name.
        rows: How many at once.
        seconds: What each way took, turn by turn; the first way is the one that the others are compared with.
    """

    driver: str
    rows: int
    seconds: Mapping[str, list[float]]

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.driver}, {self.rows:,} rows"

    def ratio(self, way: str) -> str:
        """How fast one way is beside the first in the same turn."""
        own, first = self.seconds[way], next(iter(self.seconds.values()))
        if own is first:
            return f"1 ({self.rows / median(own):,.0f}/s)"
        ratios = spread([other / each for each, other in zip(own, first, strict=True)])
        return ratios.shown() if ratios else ""


def measure_inserts(options: argparse.Namespace) -> None:
    """Time every way with each driver; write a table."""
    turns = _TURNS * (2 if options.quick else options.rounds)
    measured: list[Inserts] = []
    machine: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="template-benchmarks-") as name:
        folder = Path(name)
        template = Template(folder)
        for combination in _one_of_each_driver():
            service = service_in(folder / combination.driver)
            install(template, combination, service)
            install_drivers(service)
            with filled_database(service, _HEROES) as url:
                machine = machine or describe(service, url)
                for rows in _ROWS:
                    words = (service.program("python"), "-m", "benchmarks.apps.inserts", str(rows), str(turns))
                    printed = run(*words, cwd=ROOT, env={"DATABASE_URL": url}).output
                    measured.append(inserts := Inserts(combination.driver, rows, json.loads(printed.splitlines()[-1])))
                    for way in inserts.seconds:
                        print(f"{inserts.title:<24} {way:<30} {inserts.ratio(way)}", flush=True)
    write_results(
        "inserts", {"machine": machine, "inserts": [asdict(each) for each in measured]}, _report(machine, measured)
    )
    print(f"written to {RESULTS}", flush=True)


def _one_of_each_driver() -> list[Combination]:
    return [
        each
        for each in combinations()
        if each.uses_postgres and (each.pool, each.data_access, each.example) == ("queue", "repository", True)
    ]


def _report(machine: Mapping[str, str], measured: Sequence[Inserts]) -> str:
    rows = [[way, *(each.ratio(way) for each in measured)] for way in measured[0].seconds]
    lines = [
        "# Inserting many rows\n",
        f"{origin('inserts')} Rows per second as a ratio to Core's in the same turn: the median of all turns,",
        "the lowest and the highest in parentheses. Each way is one transaction, with its commit.\n",
        listed(machine),
        table(["", *(each.title for each in measured)], rows),
    ]
    return "\n".join(lines)
