"""The export: one client that reads a stream to its end, and what that costs the server in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from typing import NamedTuple

from benchmarks.serving import Served
from tests.harness.running.live_service import HOST

_CHUNK = 1 << 18  # bytes
_LOOK_EVERY = 0.1  # seconds
_SETTLE = 20
"""Requests before the idle memory is read, so that what only the first one allocates is in it."""


class Export(NamedTuple):
    """What came of one export.

    Attributes:
        rows_per_second: How fast they came.
        missing: How many rows did not come.
        growth: Megabytes of memory above the idle worker's, at the highest.
        processor_us: Microseconds of the contender's processor time for each row.
    """

    rows_per_second: float
    missing: int
    growth: float
    processor_us: float


def read_export(served: Served, rows: int) -> Export:
    """Export a table of so many rows."""
    for hero in range(1, _SETTLE):
        served.live.call("GET", f"{served.contender.prefix}/heroes/{hero}")
    idle = served.memory()
    with _highest_memory(served) as highest:
        began, before = time.perf_counter(), served.processor_seconds()
        received = _count_lines(served)
        seconds, processor_seconds = time.perf_counter() - began, served.processor_seconds() - before
    return Export(received / seconds, rows - received, max(highest) - idle, processor_seconds / rows * 1e6)


def _count_lines(served: Served) -> int:
    connection = HTTPConnection(HOST, served.place.port, timeout=60)
    try:
        connection.request("GET", f"{served.contender.prefix}/heroes/export")
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            return 0
        return sum(chunk.count(b"\n") for chunk in iter(lambda: response.read(_CHUNK), b""))
    finally:
        connection.close()


@contextmanager
def _highest_memory(served: Served) -> Iterator[list[float]]:
    """Look at a contender's memory again and again; the list holds what was seen, at least once."""
    seen: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY):
            seen.append(served.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
        seen.append(served.memory())
