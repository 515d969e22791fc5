"""Three services that are restarted one after another, behind a balancer."""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.faults.stack import TIMEOUTS, Stack
from tests.harness.running.balancers import NOTICED_AFTER
from tests.harness.running.live_service import LiveService, serve
from tests.harness.running.processes import free_port

REPLICAS = 3

DRAIN = 5
"""Seconds, as the documents say it."""


class BalancedStack(Stack):
    """Three services of one process each, which end slowly enough for a balancer to notice."""

    lives: list[LiveService]
    ports: list[int]

    def start_serving(self) -> None:
        """Start all of them."""
        # Nothing is to fail, so nothing has to fail soon.
        patient = {name: 10 * seconds for name, seconds in TIMEOUTS.items()}
        self.settings = {**self.settings, **patient, "DRAIN_SECONDS": DRAIN}
        self._parts = [ExitStack() for _ in range(REPLICAS)]
        self.ports = [free_port() for _ in range(REPLICAS)]
        self.lives = [self._start(number) for number in range(REPLICAS)]
        self.live = self.lives[0]

    def stop_serving(self) -> None:
        """Stop all of them at the same time."""
        for live in self.lives:
            # The second time, which is when it is stopped, ends what it serves until then.
            live.process.descendants()[0].terminate()
        for part in self._parts:
            part.close()

    def restart_one_by_one(self) -> None:
        """Restart each when the one before serves again."""
        for number in range(REPLICAS):
            self._parts[number].close()
            self.lives[number] = self._start(number)
            time.sleep(NOTICED_AFTER)

    def _start(self, number: int) -> LiveService:
        return self._parts[number].enter_context(serve(self.service, self.environment, port=self.ports[number]))
