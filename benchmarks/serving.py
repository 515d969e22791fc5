"""A contender at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import NamedTuple

from benchmarks.contenders import Contender, Place, Start
from tests.harness.running.live_service import LiveService
from tests.harness.running.processes import running

MEGABYTE = 1_000_000  # bytes

_START_WITHIN = 60.0  # seconds
_LOOK_EVERY = 0.005  # seconds
_ANSWER_WITHIN = 5.0  # seconds
_IDLE_WITHIN = 30.0  # seconds
_IDLE = 0.02  # of a processor


class NotServingError(RuntimeError):
    """A contender could not be started."""


class Served(NamedTuple):
    """A contender that answers.

    Attributes:
        contender: Which one.
        place: Where.
        live: The process that is asked, and a way to call it.
        start_seconds: From the start of the process until the first hero was read.
        behind: The processes behind a balancer, if it is that which is asked.
    """

    contender: Contender
    place: Place
    live: LiveService
    start_seconds: float
    behind: tuple[LiveService, ...] = ()

    def memory(self) -> float:
        """Megabytes that would be free if it ended, for each worker; what processes share is not counted."""
        return self.live.process.total(lambda process: process.memory_full_info().uss) / MEGABYTE / self.place.workers

    def wait_until_idle(self) -> None:
        """Wait until it works on nothing any more: requests whose clients have left would delay those that follow."""
        deadline = time.perf_counter() + _IDLE_WITHIN
        while self._busy(0.1) > _IDLE and time.perf_counter() < deadline:
            pass

    def _busy(self, seconds: float) -> float:
        """How much of a processor it takes in that time."""
        before = self.processor_seconds()
        time.sleep(seconds)
        return (self.processor_seconds() - before) / seconds

    def processor_seconds(self) -> float:
        """What it has taken of processors since it was started."""
        serving = self.behind or (self.live,)
        return sum(each.process.total(lambda process: sum(process.cpu_times()[:2])) for each in serving)


@contextmanager
def serve(contender: Contender, start: Start, place: Place) -> Iterator[Served]:
    """Start a contender, wait for its first hero, and stop it at the end of the block.

    Raises:
        NotServingError: It ended, or answered no hero in time; the message has what it printed.
    """
    command = start(place)
    began = time.perf_counter()
    with running(*command.words, cwd=command.folder, env={"PYTHONUNBUFFERED": "1", **command.variables}) as process:
        live = LiveService(process, place.port)
        for path in (contender.alive, "/heroes/1"):
            _wait_for(live, contender.prefix + path, began + _START_WITHIN)
        served = Served(contender, place, live, time.perf_counter() - began)
        try:
            yield served
        finally:
            live.stop()


def _wait_for(live: LiveService, path: str, deadline: float) -> None:
    while not _answers(live, path):
        process = live.process
        if not process.descendants():
            raise NotServingError(f"it ended before it answered {path}:\n\n{process.output}")
        if time.perf_counter() > deadline:
            raise NotServingError(f"{path}: no 200 within {_START_WITHIN:g} s:\n\n{process.output}")
        time.sleep(_LOOK_EVERY)


def _answers(live: LiveService, path: str) -> bool:
    try:
        return live.call("GET", path, timeout=_ANSWER_WITHIN).status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
