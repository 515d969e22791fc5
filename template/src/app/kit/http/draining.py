"""The time between the signal to stop and the stop, in which the service still serves and says that it is about to end.

A balancer learns late that a replica goes: Kubernetes tells the replica and the balancers at the same time. Requests
that it sends meanwhile would find a closed port.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

log = structlog.get_logger()


class Draining:
    """Whether this process is about to end. Readiness and `Connection: close` tell balancers and clients."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        self._seconds = seconds

    @contextmanager
    def before_the_end(self) -> Iterator[None]:
        """Put the drain before what SIGTERM does, for the time of the block. A second SIGTERM ends it at once.

        relies on: uvicorn takes SIGTERM before the lifespan starts, in the main thread, by `signal.signal`.
        """
        stop = signal.getsignal(signal.SIGTERM)
        if not self._seconds or not callable(stop) or threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            if self.begun:
                stop(number, frame)
                return
            self.begun = True
            # What a signal interrupts may be the loop itself.
            loop.call_soon_threadsafe(loop.call_later, self._seconds, stop, number, None)
            loop.call_soon_threadsafe(lambda: log.info("draining", seconds=self._seconds))

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
