"""What commands cost: the time on the clock and the time of processors."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.markdown import listed, origin, table
from benchmarks.results import spread, write_results
from tests.harness.running.commands import CommandFailedError, clean_environment, last_lines


class Cost(NamedTuple):
    """Seconds on the clock, and of all processors together, with the processes that a command has waited for."""

    wall: float
    cpu: float


Costs = dict[str, list[Cost]]
"""What each task took, round by round."""


def timed(words: Sequence[str], folder: Path, output: Path | None = None) -> Cost:
    """Run a command in a folder, and keep what it prints in a file if one is named. Raises CommandFailedError."""
    with output.open("wb+") if output else tempfile.TemporaryFile() as stream:
        started = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, env=clean_environment({}), stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            stream.seek(0)
            raise CommandFailedError(f"{' '.join(words)}\n{last_lines(stream.read().decode(errors='replace'))}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def write_costs(name: str, machine: Mapping[str, str], costs: Costs, reference: str) -> None:
    """Write ``NAME.md`` and ``NAME.json``, with the ratios of wall time to that of a task in the same rounds."""
    header, rows = ["", f"ratio to the {reference}", "wall time", "CPU time"], []
    for task, rounds in costs.items():
        ratio = spread([own.wall / other.wall for own, other in zip(rounds, costs[reference], strict=True)])
        walls, cpus = (spread([cost[field] for cost in rounds]) for field in (0, 1))
        if ratio and walls and cpus:
            rows.append([task, ratio.shown(), walls.shown(unit=" s"), cpus.shown(unit=" s")])
    lines = [
        f"# {name.capitalize()}\n",
        f"{origin(name)} Figures are medians of the rounds, the lowest and the highest in\nparentheses.\n",
        listed(machine),
        table(header, rows),
    ]
    write_results(name, {"machine": machine, "costs": costs}, "\n".join(lines))
