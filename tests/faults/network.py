"""A network between two programs that fails in the ways in which networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

_AT_ONCE = struct.pack("ii", 1, 0)
"""``SO_LINGER`` with no time: closing sends a reset."""


class Link:
    """Passes connections on to an address.

    Attributes:
        target: Host and port that new connections lead to.
        port: The port of 127.0.0.1 that it listens on, the same for as long as it lives.
        latency: Seconds that everything is delayed by, in each direction.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.latency = 0.0
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._far: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    async def mend(self) -> None:
        """Take connections, and pass on what was held up."""
        self.latency = 0.0
        self._passing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Be like a host on which nobody listens: new connections are refused, and the others reset."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """Reset all connections."""
        for writer in self._writers | self._far:
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            writer.transport.abort()

    def swallow(self) -> None:
        """Hold up everything, new connections too, without a word to anyone."""
        self._passing.clear()

    async def forget(self) -> None:
        """Lose the connections that there are, of which only the target is told: half-open ones remain."""
        await self._end(self._tasks)
        for writer in self._far:
            writer.transport.abort()
        self._far.clear()

    async def close(self) -> None:
        """End all connections, the forgotten ones too."""
        self.refuse()
        await self._end(self._tasks)

    @staticmethod
    async def _end(tasks: set[asyncio.Task[None]]) -> None:
        ended = list(tasks)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        await self._passing.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._far.add(far_writer)
        for one, other in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._copy(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._passing.wait()
                if self.latency:
                    await asyncio.sleep(self.latency)
                writer.write(data)
                await writer.drain()
        await self._passing.wait()
        for writers in (self._writers, self._far):
            writers.discard(writer)
        writer.close()
