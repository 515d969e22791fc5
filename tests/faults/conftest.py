"""Services under fault: one for each pair of driver and pool, with all faults after each other."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.pair import PairedStack
from tests.faults.stack import Stack, stack_of
from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.template import Template
from tests.harness.running.servers import find_pgbouncer
from tests.harness.running.services import Environments

SECONDS_EACH = 6
"""What a fault takes, by which the number of faults in the long form is reckoned: so the seed alone decides on them."""


def services() -> list[Combination]:
    """One for each pair of driver and pool, by turns in one style of data access and the other."""
    with_example = [each for each in combinations() if each.example]
    groups = dict.fromkeys(each.group for each in with_example)
    return [[each for each in with_example if each.group == group][number % 2] for number, group in enumerate(groups)]


def _can_happen(fault: Fault, service: Combination, *, short: bool) -> bool:
    """Whether it can happen to this service; in the short form also whether the service's pool has a part in it."""
    if (
        service.pool not in fault.pools
        or (fault.pair and service.pool == "null" and short)
        or not (service.uses_postgres or fault.sqlite)
    ):
        return False
    return not short or service.pool == "queue" or (service.uses_postgres and fault.pooled)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" not in metafunc.fixturenames:
        return
    minutes, seed = metafunc.config.option.faults_minutes, metafunc.config.option.faults_seed
    cases = []
    served = [
        (service, is_prepared, paired)
        for is_prepared, paired in ((True, False), (False, False), (True, True))
        for service in services()
        if service.uses_postgres or not paired
    ]
    for service, is_prepared, paired in served:
        possible = [
            name
            for name, fault in FAULTS.items()
            if fault.pair is paired
            and _can_happen(fault, service, short=not minutes)
            and (is_prepared or minutes or (service.pool == "queue" and fault.pooled))
        ]
        if not possible:
            continue
        chance = random.Random(f"{seed} {service} {is_prepared} {paired}")  # noqa: S311 - to be repeatable is the point
        happening = possible
        if minutes:
            happening = chance.choices(possible, k=round(minutes * 60 / SECONDS_EACH / len(served)))
        # In the name of a test the first part is the service, by which tests are shared out among processes.
        parts = [
            service.group.replace("-", "_"),
            *([] if is_prepared else ["unprepared"]),
            *(["pair"] if paired else []),
        ]
        served_by = (service, is_prepared, paired)
        cases += [
            pytest.param(served_by, name, chance.getrandbits(32), id=f"{'_'.join(parts)}-{number} {name}")
            for number, name in enumerate(happening, 1)
        ]
    metafunc.parametrize(("stack", "fault", "seed"), cases, indirect=["stack"], scope="module")


@pytest.fixture(scope="session")
def form(pytestconfig: pytest.Config) -> str:
    """How much is done: little in a short time, or much."""
    return "long" if pytestconfig.option.faults_minutes else "short"


# It works even while nobody asks it for anything, so it ends with its tests and not with the run.
@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest,
    template: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    service, is_prepared, paired = request.param
    if service.pool == "pgbouncer" and find_pgbouncer() is None and "CI" not in os.environ:
        pytest.skip("PgBouncer is missing: install it, or name it in PGBOUNCER")
    make = partial(PairedStack if paired else Stack, settings={"DATABASE_PREPARED_QUERIES": is_prepared})
    with stack_of(service, template, environments, tmp_path_factory.mktemp("faults"), make) as stack:
        yield stack
