"""The time between the signal to stop and the stop, in which the service still serves and says that it is about to end.

A balancer learns late that a replica goes: Kubernetes tells the replica and the balancers at the same time. Requests
that it sends meanwhile would find a closed port.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from types import FrameType
from typing import Final

import structlog
from uvicorn import Server

_LAST_REQUESTS: Final = 0.5
"""For how many seconds whoever connected last may still send a request, once the port is closed."""

log = structlog.get_logger()


class Draining:
    """Whether this process is about to end. Readiness and `Connection: close` tell balancers and clients."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        self._seconds = seconds
        self._arrivals: list[asyncio.Task[object]] = []

    @contextmanager
    def before_the_end(self) -> Iterator[None]:
        """Put the drain before what SIGTERM does, for the time of the block. A second SIGTERM ends it at once.

        relies on: uvicorn takes SIGTERM before the lifespan starts, in the main thread, by a method of its server.
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
            loop.call_soon_threadsafe(loop.call_later, self._seconds, self._end, stop)
            loop.call_soon_threadsafe(lambda: log.info("draining", seconds=self._seconds))

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)

    def _end(self, stop: Callable[[int, FrameType | None], object]) -> None:
        """Take no more connections, and a little later do what SIGTERM does.

        The system accepts connections before the server does. uvicorn would cut off those that wait for it, and those
        whose request is still on its way: a balancer that does not ask for readiness sends until the port is closed.
        """
        server = getattr(stop, "__self__", None)
        if not isinstance(server, Server) or not server.started:
            stop(signal.SIGTERM, None)
            return
        loop = asyncio.get_running_loop()
        config = server.config
        # uvicorn makes them like this, and its types do not know it either.
        protocol = partial(  # type: ignore[call-arg]
            config.http_protocol_class,
            config=config,
            server_state=server.server_state,
            app_state=server.lifespan.state,
        )
        for each in server.servers:
            for waiting in chain.from_iterable(map(_waiting, each.sockets)):
                arrival = loop.connect_accepted_socket(protocol, waiting, ssl=config.ssl)
                self._arrivals.append(loop.create_task(arrival))
            each.close()
        loop.call_later(_LAST_REQUESTS, stop, signal.SIGTERM, None)


def _waiting(port: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that wait at a port."""
    # uvloop's own socket objects accept nothing.
    with suppress(OSError), socket.socket(fileno=os.dup(port.fileno())) as copy:
        copy.setblocking(False)
        while True:
            yield copy.accept()[0]
