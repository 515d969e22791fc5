"""Under every fault, what was acknowledged is there, what was refused is not, and the service recovers by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.faults.clients import PACES, Clients
from tests.faults.faults import FAULTS, Fault
from tests.faults.ledger import COUNTER, Outcome
from tests.faults.stack import BOUND, SECRET, Stack
from tests.faults.watch import Watch, watching
from tests.harness.reporting.properties import table_row

pytestmark = pytest.mark.slow

WARM_UP = 0.3  # seconds
RECOVERED_WITHIN = 30.0  # seconds
NOT_READY_WITHIN = READY_WITHIN = 5.0  # seconds

COLLECTED_WITHIN = 20.0  # seconds

SLACK = 10.0
"""Seconds that a request may take beyond its bound because the machine is busy. Where waiting is what it does, none."""


def test_fault(stack: Stack, fault: str, seed: int, form: str, record_property: Callable[[str, object], None]) -> None:
    happening = FAULTS[fault]
    before, descriptors = stack.tables().balances[COUNTER], stack.descriptors()
    clients = Clients(stack.live.url, seed, PACES[form], read_at_replicas=happening.pair)
    recovery, watch, happened = stack.run(_let_happen(stack, clients, happening))
    stack.wait_until_complete()
    leaked = stack.settle()
    verdict = clients.ledger.audit(stack.tables(), COUNTER, before)
    leaked += _descriptors_leaked(descriptors, stack)
    not_ready, ready = watch.first_not_ready(happened[0]), watch.ready_again(happened[1])
    ledger = clients.ledger
    row = {
        "service": stack.combination.group,
        "prepared": "yes" if stack.settings["DATABASE_PREPARED_QUERIES"] else "no",
        "fault": fault,
        "requests": ledger.statuses.total(),
        **{outcome.value: ledger.outcomes[outcome] for outcome in Outcome},
        "lost": len(verdict.lost),
        "phantom": len(verdict.phantom),
        "leaked": len(leaked),
        "pairs": ledger.pairs or "-",
        "recovery": _seconds(recovery),
        "not ready": _seconds(not_ready),
        "ready": _seconds(ready),
        "slowest": _seconds(ledger.slowest),
    }
    record_property(*table_row("faults", row))

    assert verdict.lost == []
    assert verdict.phantom == [], stack.repetitions
    assert ledger.problems == [], stack.errors
    assert leaked == []
    assert recovery is not None, f"no write was acknowledged within {RECOVERED_WITHIN} s of the end of the fault"
    assert ledger.slowest < BOUND + (0 if happening.silent else SLACK)
    for emitted in (stack.live.output, stack.live.call("GET", "/metrics").text, *watch.bodies):
        assert SECRET not in emitted
    if happening.away:
        stalled, after = (min(watch.stalled(since), SLACK) for since in happened)
        assert not_ready is not None and not_ready < NOT_READY_WITHIN + stalled  # noqa: PT018
        assert ready is not None and ready < READY_WITHIN + after  # noqa: PT018
    if happening.serves:
        assert watch.dead == []


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


async def _let_happen(stack: Stack, clients: Clients, fault: Fault) -> tuple[float | None, Watch, tuple[float, float]]:
    """Return how long it took until a write was acknowledged, what was seen, and when the fault began and ended."""
    async with watching(stack.live.url) as watch, clients.at_work():
        await asyncio.sleep(WARM_UP)
        began = time.monotonic()
        await fault.happen(stack, clients)
        ended = time.monotonic()
        while clients.last_acknowledged <= ended and time.monotonic() < ended + RECOVERED_WITHIN:
            await asyncio.sleep(0.02)
        recovered = clients.last_acknowledged - ended
        await watch.wait_until_ready(ended, RECOVERED_WITHIN)
    return recovered if recovered > 0 else None, watch, (began, ended)


def _descriptors_leaked(before: dict[int, int], stack: Stack) -> list[str]:
    """Those beyond what a pool that has filled up accounts for, in workers that were there before.

    What a cycle of references holds is closed when it is collected, which takes some more requests.
    """
    deadline = time.monotonic() + COLLECTED_WITHIN
    while True:
        leaked = [
            f"worker {pid} had {before[pid]} descriptors and has {now}"
            for pid, now in stack.descriptors().items()
            if pid in before and now > before[pid] + stack.descriptors_of_pool
        ]
        if not leaked or time.monotonic() > deadline:
            return leaked
        for _ in range(50):
            stack.live.call("GET", "/heroes?limit=100")
