"""A fair queue before the connections.

A pool lets new requests overtake those that wait, so under load some wait until they time out. Here all are served
in order, none waits longer than the bound, and the time they waited is counted.
"""

import asyncio
from time import perf_counter

from app.kit.database.failures import PoolExhaustedError


class Admission:
    """Lets `limit` units of work in at once; the others wait up to `timeout` seconds, first come, first served.

    A unit of work is a block: `async with admission:`.
    """

    def __init__(self, limit: int, timeout: float) -> None:
        self.limit = limit
        self.admitted = 0
        self.waiting = 0
        self.waits = 0
        self.waited_seconds = 0.0
        self._timeout = timeout
        self._places = asyncio.Semaphore(limit)

    async def __aenter__(self) -> None:
        """Take a place; raises PoolExhaustedError when none is free in time."""
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        self.admitted += 1

    async def __aexit__(self, *_: object) -> None:
        """Give the place back."""
        self.admitted -= 1
        self._places.release()

    async def _wait(self) -> None:
        started = perf_counter()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._places.acquire()
        except TimeoutError:
            raise PoolExhaustedError(f"No connection became free within {self._timeout:g} s.") from None
        finally:
            self.waiting -= 1
            self.waits += 1
            self.waited_seconds += perf_counter() - started
