"""A deployment that restarts services one by one behind a balancer: no request fails, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from tests.faults.balanced import BalancedStack
from tests.faults.clients import PACES, Clients
from tests.faults.ledger import COUNTER, Outcome
from tests.faults.stack import stack_of
from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.template import Template
from tests.harness.reporting.properties import table_row
from tests.harness.running.balancers import balanced, documented, find_balancer, version_of
from tests.harness.running.services import Environments

pytestmark = pytest.mark.slow

BALANCERS = {
    # What does not try again shows each request that is lost.
    "haproxy": lambda text: text.replace("retries 3", "retries 0").replace("option redispatch", ""),
    "nginx": lambda text: text,
}


@pytest.fixture(scope="module")
def stack(
    template: Template, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BalancedStack]:
    service = next(each for each in combinations() if each.example)
    with stack_of(service, template, environments, tmp_path_factory.mktemp("balanced"), BalancedStack) as stack:
        assert isinstance(stack, BalancedStack)
        yield stack


@pytest.mark.parametrize("name", BALANCERS)
def test_rolling_restart_fails_no_request(
    name: str,
    stack: BalancedStack,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    if find_balancer(name) is None and "CI" not in os.environ:
        pytest.skip(f"{name} is missing, and could not be installed")
    before = stack.tables().balances[COUNTER]
    configuration = BALANCERS[name](documented(stack.service.folder, name))
    with balanced(name, configuration, stack.ports, tmp_path_factory.mktemp(name)) as balancer:
        # Names that the other one has not used.
        clients = Clients(balancer.url, seed=list(BALANCERS).index(name), pace=PACES["short"])
        stack.run(_restarted_under(clients, stack))
        said = balancer.output
    verdict = clients.ledger.audit(stack.tables(), COUNTER, before)
    ledger = clients.ledger
    row = {
        "balancer": version_of(name),
        "requests": ledger.statuses.total(),
        "failed": sum(count for status, count in ledger.statuses.items() if status == "cut" or status >= "5"),
        "lost": len(verdict.lost),
        "slowest": f"{ledger.slowest:.1f}",
    }
    record_property(*table_row("rolling restarts", row))
    assert ledger.statuses.total() > 100
    assert ledger.outcomes[Outcome.UNKNOWN] == 0, (ledger.statuses, said)
    assert {status for status in ledger.statuses if not status.startswith(("2", "4"))} == set()
    assert ledger.problems == []
    assert (verdict.lost, verdict.phantom) == ([], [])


async def _restarted_under(clients: Clients, stack: BalancedStack) -> None:
    async with clients.at_work():
        await asyncio.sleep(1)
        await asyncio.to_thread(stack.restart_one_by_one)
        await asyncio.sleep(1)
