"""How many processes serve side by side on one port."""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from itertools import pairwise

import structlog

log = structlog.get_logger()


def workers_started() -> int:
    """Return how many processes uvicorn was told to start, by `--workers` or WEB_CONCURRENCY; 1 if nobody told it.

    relies on: uvicorn starts them by multiprocessing, which gives each the arguments of the program.
    """
    if multiprocessing.parent_process() is None:
        return 1
    number = _option(sys.argv) or os.environ.get("WEB_CONCURRENCY", "")
    return int(number) if number.isdecimal() else 1


def warn_of_several_workers() -> None:
    """Say in the log what several processes behind one port mean for those who look at them."""
    number = workers_started()
    if number > 1:
        log.warning(
            "several_workers",
            workers=number,
            reason="/metrics tells of the one process that answers. Start a container for each, with one worker.",
        )


def _option(arguments: Sequence[str]) -> str:
    given = [after for before, after in pairwise(arguments) if before == "--workers"]
    given += [each.partition("=")[2] for each in arguments if each.startswith("--workers=")]
    return given[-1] if given else ""
