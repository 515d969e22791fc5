"""What the matrix costs: every combination through every step, and what one more adds."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from benchmarks.costs import Cost, timed
from benchmarks.machine import describe_machine
from benchmarks.markdown import listed, origin, table
from benchmarks.results import RESULTS, write_results
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.questions import ROOT
from tests.harness.running.steps import STEPS

_TESTS = "tests/test_combinations.py"
_SIZES = (1, 8)
"""Numbers of combinations that are measured besides all of them."""

_STEP = re.compile(rf"^\[ *\d+/\d+\] (\S+) +({'|'.join(STEPS)}) +([\d.]+) s", re.MULTILINE)


def measure_matrix(_options: argparse.Namespace) -> None:
    """Run the tests of some combinations and of all, once each; write a table."""
    every = combinations()
    costs: dict[int, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="template-benchmarks-") as folder:
        output = Path(folder, "output")
        for size in (*_SIZES, len(every)):
            # Evenly from all of them, so that several have every driver among them.
            chosen = every[:: len(every) // size]
            print(f"running {len(chosen)} of {len(every)} combinations", flush=True)
            words = [sys.executable, "-m", "pytest", _TESTS, "-k", " or ".join(str(each) for each in chosen)]
            costs[size] = timed(words, ROOT, output)
            print(f"{costs[size].wall:.0f} s, {costs[size].cpu:.0f} CPU-s", flush=True)
        steps: dict[str, float] = defaultdict(float)
        for _, step, seconds in _STEP.findall(output.read_text(encoding="utf-8")):
            steps[step] += float(seconds)
    _write(costs, steps)
    print(f"written to {RESULTS}", flush=True)


def _write(costs: Mapping[int, Cost], steps: Mapping[str, float]) -> None:
    machine, first, last = describe_machine(), min(costs), max(costs)
    more = (costs[last].cpu - costs[first].cpu) / (last - first)
    lines = [
        "# The matrix\n",
        f"{origin('matrix')}\n",
        listed(machine),
        table(
            ["combinations", "wall time", "CPU time"],
            [[f"{size}", f"{cost.wall:.0f} s", f"{cost.cpu:.0f} s"] for size, cost in costs.items()],
        ),
        f"Each combination after the first takes {more:.1f} CPU-seconds.\n",
        table(
            ["step", "wall time of all combinations, which run side by side"],
            [[step, f"{steps[step]:.0f} s"] for step in STEPS],
        ),
    ]
    write_results("matrix", {"machine": machine, "costs": costs, "steps": steps}, "\n".join(lines))
