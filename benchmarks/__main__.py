"""Measure: ``uv run --group benchmarks python -m benchmarks``."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.checks import DifferentError
from benchmarks.contenders import WORKLOADS
from benchmarks.generated import service_in
from benchmarks.growth import measure_growth
from benchmarks.interpreter import PythonMissingError
from benchmarks.load import WrkMissingError
from benchmarks.profiling import measure_profile
from benchmarks.scaling import measure_scaling
from benchmarks.series import SERIES
from benchmarks.serving import NotServingError
from benchmarks.throughput import UnknownContenderError, all_contenders, measure_throughput
from tests.harness.rendering.template import Template
from tests.harness.running.commands import CommandFailedError
from tests.harness.running.servers import shared_postgres

PARTS = {
    "throughput": measure_throughput,
    "growth": measure_growth,
    "scaling": measure_scaling,
    "profile": measure_profile,
}
"""What can be measured, in this order."""

PROBLEMS = (
    WrkMissingError,
    PythonMissingError,
    UnknownContenderError,
    NotServingError,
    DifferentError,
    CommandFailedError,
)
"""What ends a run with a message that says all."""


def main() -> None:
    """Run what the command line asks for; end with a message if that cannot be done."""
    parser = _parser()
    options = parser.parse_args()
    # With `choices`, argparse of Python 3.11 would refuse to be given none.
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    # Whoever ends the run finds no folder and no server left, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        if options.list:
            _list()
            return
        # One server for all parts: its modules can be loaded only once in a process.
        with shared_postgres():
            for part in options.parts or PARTS:
                PARTS[part](options)
    except PROBLEMS as problem:
        sys.exit(str(problem))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=2, metavar="S", help="how long each measurement takes at least")
    parser.add_argument("--quick", action="store_true", help="two rounds of one second, to see that everything works")
    parser.add_argument("--list", action="store_true", help="print the names of the contenders, and of the workloads")
    throughput = parser.add_argument_group("throughput")
    throughput.add_argument("--only", nargs="+", metavar="NAME", help="contenders to measure, besides the reference")
    throughput.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    throughput.add_argument("--connections", nargs="+", type=int, default=[16, 64, 256], metavar="N")
    throughput.add_argument("--workers", type=int, default=1, metavar="N", help="processes of each contender")
    growth = parser.add_argument_group("growth")
    growth.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES), metavar="NAME")
    return parser


def _list() -> None:
    with tempfile.TemporaryDirectory(prefix="template-benchmarks-") as folder:
        contenders = all_contenders(Template(Path(folder)), service_in(Path(folder)))
        print(*(f"{each.name:<30}  {each.description}" for each in contenders), sep="\n")
    print(f"\nworkloads: {', '.join(WORKLOADS)}\nseries: {', '.join(SERIES)}")


if __name__ == "__main__":
    main()
