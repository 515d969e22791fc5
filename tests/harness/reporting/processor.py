"""Where the processor's time went, summed by part of the tests."""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.harness.running.steps import step_of

SHOWN_PARTS = 15
"""Parts that have a row of their own."""

OTHER = "other"


def process_cpu() -> float:
    """CPU seconds of this process and of all below it that have ended, such as xdist's workers and their commands."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def part_of(nodeid: str) -> str:
    """The step of a test of the matrix, else the folder below ``tests`` or the module."""
    path = nodeid.partition("::")[0].removeprefix("tests/")
    folder, slash, _ = path.partition("/")
    return step_of(nodeid)[1] or (folder if slash else path.removesuffix(".py"))


@dataclass
class Part:
    """What the tests of a part took; a part without tests is what the run needs around them."""

    name: str
    processor: float = 0.0
    tests: int = 0
    wall: float = 0.0

    def add(self, other: Part) -> None:
        """Take in what another took."""
        self.processor += other.processor
        self.tests += other.tests
        self.wall += other.wall


def parts_of(processor: Mapping[str, float], wall: Mapping[str, float]) -> list[Part]:
    """Sum up tests, whose seconds of both kinds are given by their node ids."""
    parts: dict[str, Part] = {}
    for nodeid in wall:
        name = part_of(nodeid)
        parts.setdefault(name, Part(name)).add(Part(name, processor.get(nodeid, 0.0), 1, wall[nodeid]))
    return [*parts.values()]


def largest_of(parts: Iterable[Part]) -> list[Part]:
    """The part that took most first, and the smallest summed up."""
    ordered = sorted(parts, key=lambda part: part.processor, reverse=True)
    shown, small = ordered[:SHOWN_PARTS], ordered[SHOWN_PARTS:]
    if small:
        other = Part(f"{OTHER} ({len(small)})")
        for part in small:
            other.add(part)
        shown.append(other)
    return shown


def table_of(parts: Iterable[Part]) -> list[str]:
    """The lines of the table."""
    shown = largest_of(parts)
    whole = sum(part.processor for part in shown) or 1.0
    first = max(map(len, ("part", *(part.name for part in shown))))
    lines = [f"{'part':<{first}}  tests  processor s  share   wall s"]
    for part in shown:
        tests, wall = (f"{part.tests}", f"{part.wall:.1f}") if part.tests else ("", "")
        share = f"{part.processor / whole:.0%}"
        lines.append(f"{part.name:<{first}}  {tests:>5}  {part.processor:>11.1f}  {share:>5}  {wall:>7}".rstrip())
    return lines


def sum_by_name(seconds: Iterable[tuple[str, float]]) -> list[Part]:
    """Parts that have no tests, of those that took any time."""
    sums: defaultdict[str, float] = defaultdict(float)
    for name, taken in seconds:
        sums[name] += taken
    return [Part(name, taken) for name, taken in sums.items() if taken > 0]
