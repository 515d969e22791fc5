"""What the parts begin with."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.generated import service_in
from benchmarks.workloads import Timing
from tests.harness.rendering.template import Template
from tests.harness.running.services import Service


class Begun(NamedTuple):
    """A run that has begun.

    Attributes:
        folder: For what it needs; gone at its end.
        template: Makes the services.
        service: The place of an example, which is not there before it is installed.
    """

    folder: Path
    template: Template
    service: Service


@contextmanager
def begun() -> Iterator[Begun]:
    """Begin a run, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="template-benchmarks-") as name:
        folder = Path(name)
        yield Begun(folder, Template(folder), service_in(folder / "example"))


def rounds_of(options: argparse.Namespace) -> tuple[int, Timing]:
    """Tell how often everything is measured, and for how long."""
    return (2, Timing(1)) if options.quick else (options.rounds, Timing(options.seconds))
