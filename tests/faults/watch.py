"""What an orchestrator sees of a service while its database is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from tests.faults.stack import UNENCRYPTED

EACH = 0.3
"""Seconds between two questions while a fault happens."""

SOON = 0.05
"""Seconds between two questions when it is over."""

SURE = 4
"""Answers in a row that all say ready until it is taken for true: each is that of one of the workers."""


@dataclass
class Watch:
    """The answers of ``/health/live`` and ``/health/ready``, with the time at which each was asked for.

    Attributes:
        dead: What was answered, if not that the service is alive.
        bodies: What else was answered, each once.
    """

    dead: list[str] = field(default_factory=list)
    bodies: set[str] = field(default_factory=set)
    _ready: list[tuple[float, float, bool]] = field(default_factory=list)
    _stalls: list[tuple[float, float]] = field(default_factory=list)
    _each: float = EACH

    def stalled(self, since: float) -> float:
        """Seconds, from a moment on, that a busy machine cost: being alive takes no time, nor does looking again."""
        return sum(seconds for ended, seconds in self._stalls if ended >= since)

    def first_not_ready(self, since: float) -> float | None:
        """Seconds from a moment to the first answer that says so, if there is one."""
        return next((answered - since for _, answered, ready in self._ready if answered >= since and not ready), None)

    def ready_again(self, since: float) -> float | None:
        """Seconds from a moment to the answer from which on the service was ready."""
        answers = [(answered, ready) for asked, answered, ready in self._ready if asked >= since]
        for number, (answered, _) in enumerate(answers):
            row = [ready for _, ready in answers[number : number + SURE]]
            if len(row) == SURE and all(row):
                return answered - since
        return None

    async def wait_until_ready(self, since: float, seconds: float) -> float | None:
        """Wait for that, but not for longer."""
        deadline = time.monotonic() + seconds
        self._each = SOON
        while self.ready_again(since) is None and time.monotonic() < deadline:
            await asyncio.sleep(SOON)
        return self.ready_again(since)

    async def _ask(self, http: httpx2.AsyncClient, path: str) -> int:
        try:
            answer = await http.get(path)
        except httpx2.HTTPError:
            return 0
        self.bodies.add(answer.text)
        return answer.status_code

    async def _look(self, http: httpx2.AsyncClient) -> None:
        while True:
            asked = time.monotonic()
            live, ready = await asyncio.gather(self._is_alive(http), self._ask(http, "/health/ready"))
            answered = time.monotonic()
            self._ready.append((asked, answered, ready == 200))
            if live != 200:
                self.dead.append(f"/health/live: {live or 'no answer'}")
            pause = self._each
            await asyncio.sleep(pause)
            self._stalls.append((time.monotonic(), time.monotonic() - answered - pause))

    async def _is_alive(self, http: httpx2.AsyncClient) -> int:
        asked = time.monotonic()
        status = await self._ask(http, "/health/live")
        self._stalls.append((time.monotonic(), time.monotonic() - asked))
        return status


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watch]:
    """Ask the service again and again during the block, over a new connection each time."""
    watch = Watch()
    limits = httpx2.Limits(max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=url, timeout=30, limits=limits, verify=UNENCRYPTED) as http:
        looking = asyncio.create_task(watch._look(http))  # noqa: SLF001
        try:
            yield watch
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
