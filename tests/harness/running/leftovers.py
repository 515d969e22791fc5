"""What a run must not leave behind: processes, and databases on the server that its services shared."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress

import psutil

RUN = "TEMPLATE_TESTS_RUN"
"""Environment variable that every process of a run inherits, whatever session or parent it has in the end."""

GONE_WITHIN = 60.0  # seconds


def mark_this_run() -> None:
    """Make all processes that are started from now on recognisable."""
    os.environ[RUN] = uuid.uuid4().hex


def remaining_processes() -> list[str]:
    """Wait for the processes of this run to end; describe those that did not."""
    deadline = time.monotonic() + GONE_WITHIN
    while (remaining := [each for each in psutil.process_iter() if _is_of_this_run(each)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    return [_describe(each) for each in remaining]


def _is_of_this_run(process: psutil.Process) -> bool:
    with suppress(psutil.Error, OSError):
        return process.pid != os.getpid() and process.environ().get(RUN) == os.environ.get(RUN, "")
    return False


def _describe(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"process {process.pid}: {' '.join(process.cmdline())[:120]}"
    return f"process {process.pid}"
