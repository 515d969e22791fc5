"""A network between two programs that fails in the ways in which networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress

_AT_ONCE = struct.pack("ii", 1, 0)
"""``SO_LINGER`` with no time: closing sends a reset."""


class Link:
    """Passes connections on to an address.

    Attributes:
        target: Host and port that new connections lead to.
        port: The port of 127.0.0.1 that it listens on, the same for as long as it lives.
        latency: Seconds that everything is delayed by, in each direction.
        ends: Those of all connections.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.latency = 0.0
        self._listener: asyncio.Server | None = None
        self.ends: set[_End] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    async def mend(self) -> None:
        """Take connections, and pass on what was held up."""
        self.latency = 0.0
        self._passing.set()
        for end in self.ends:
            end.read()
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(lambda: _End(self), "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Be like a host on which nobody listens: new connections are refused, and the others reset."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    def reset(self) -> None:
        """Reset all connections."""
        for end in self.ends:
            end.reset()

    def swallow(self) -> None:
        """Hold up everything, new connections too, without a word to anyone."""
        self._passing.clear()
        for end in self.ends:
            end.hold()

    async def forget(self) -> int:
        """Lose the connections that there are, of which only the target is told: half-open ones remain. Count them."""
        await self._stop_connecting()
        lost = 0
        for end in self.ends:
            if end.far and end.other is not None:
                end.other.other = None
                end.other = None
                end.reset()
                lost += 1
        return lost

    async def close(self) -> None:
        """End all connections, the forgotten ones too."""
        self.refuse()
        await self._stop_connecting()

    def connect(self, near: _End) -> None:
        """Lead a connection that was made to the link on to the target."""
        task = asyncio.create_task(self._connect(near))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, near: _End) -> None:
        await self._passing.wait()
        try:
            await asyncio.get_running_loop().create_connection(lambda: _End(self, near), *self.target)
        except OSError:
            near.reset()

    async def _stop_connecting(self) -> None:
        tasks = list(self._connecting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def passing(self) -> bool:
        """Whether nothing is held up."""
        return self._passing.is_set()


class _End(asyncio.Protocol):
    """One end of a connection that leads through a link.

    Attributes:
        other: Who gets what arrives here. What an end without another receives is lost.
        far: Whether this is the end at the target.
    """

    def __init__(self, link: Link, near: _End | None = None) -> None:
        self.other = near
        self.far = near is not None
        self.transport: asyncio.Transport
        self._link = link
        self._crowded = False
        self._under_way: deque[Callable[[], None]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._link.ends.add(self)
        if self.other is None:
            # Until there is someone to pass it on to. Not at once: Python 3.11.2 begins to read after this.
            asyncio.get_running_loop().call_soon(transport.pause_reading)
            self._link.connect(self)
            return
        if self.other.transport.is_closing():
            transport.close()
            return
        self.other.other = self
        self.other.read()
        if not self._link.passing:
            self.hold()

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self._pass_on(lambda other=self.other: other.transport.write(data))  # type: ignore[misc]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._link.ends.discard(self)
        if self.other is not None:
            self._pass_on(self.other.transport.close)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.crowd(crowded=True)

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.crowd(crowded=False)

    def crowd(self, *, crowded: bool) -> None:
        """Take no more for now, because what was taken is still to be sent; or take more again."""
        self._crowded = crowded
        if crowded:
            self.hold()
        else:
            self.read()

    def hold(self) -> None:
        """Take nothing."""
        self.transport.pause_reading()

    def read(self) -> None:
        """Take what arrives, unless there is a reason not to."""
        if self._link.passing and not self._crowded:
            self.transport.resume_reading()

    def reset(self) -> None:
        """End the connection, and tell the program at this end that it was reset."""
        with suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _pass_on(self, action: Callable[[], None]) -> None:
        self._under_way.append(action)
        if self._link.latency or len(self._under_way) > 1:
            asyncio.get_running_loop().call_later(self._link.latency, self._arrive)
        else:
            self._arrive()

    def _arrive(self) -> None:
        """Let the oldest arrive: whichever was to be delayed for longer, nothing overtakes."""
        self._under_way.popleft()()
