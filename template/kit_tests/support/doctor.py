"""The doctor, called as its command line calls it, for the tables of the tests."""

from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Final

from sqlalchemy import MetaData, Table

from app.kit.settings import KitSettings
from devtools.doctor.check import Check, Examination, Options, Result, Service, examine
from devtools.doctor.checks import CHECKS
from kit_tests.support.items import VERSIONS, ItemBase
from kit_tests.support.migrations import ROOT

AS_BY_DEFAULT: Final = Options()

TODAY: Final = date(2026, 11, 1)
"""When all that the tests may run with is maintained."""


def needed(name: str) -> list[Check]:
    """Return a check and those that it needs, in their order."""
    check = next(each for each in CHECKS if each.id == name)
    names = {each.id for need in check.needs for each in needed(need)} | {name}
    return [each for each in CHECKS if each.id in names]


def service_of(settings: KitSettings, *, metadata: MetaData = ItemBase.metadata, root: Path = ROOT) -> Service:
    """Return what the doctor takes for a service with these settings."""
    return Service(root, KitSettings, lambda: settings, VERSIONS, metadata)


def about(settings: KitSettings, *tables: str) -> Service:
    """Return a service that has these tables and no others: tests elsewhere add theirs to those of the items."""
    metadata = MetaData()
    for name in tables:
        Table(name, metadata)
    return service_of(settings, metadata=metadata)


async def diagnosis(
    service: Service | KitSettings, name: str, *, options: Options = AS_BY_DEFAULT, today: date = TODAY
) -> Result:
    """Run a check and those that it needs; return what came of the first that has a problem, else of the check."""
    if isinstance(service, KitSettings):
        service = service_of(service)
    async with AsyncExitStack() as stack:
        results = await examine(needed(name), Examination(service, options, today, stack))
    for each in results:
        assert (each.advice is not None) == (each.outcome == "problem")
    return next((each for each in results if each.outcome == "problem"), results[-1])


async def assert_well(service: Service | KitSettings, name: str, *, options: Options = AS_BY_DEFAULT) -> str:
    """Make sure that a check finds nothing; return what it says."""
    result = await diagnosis(service, name, options=options)
    assert (result.id, result.outcome) == (name, "ok"), result
    return result.message


async def problem(
    service: Service | KitSettings, name: str, *, options: Options = AS_BY_DEFAULT, today: date = TODAY
) -> str:
    """Make sure that a check has a problem, and none that it needs; return what it says, and its advice."""
    result = await diagnosis(service, name, options=options, today=today)
    assert (result.id, result.outcome) == (name, "problem"), result
    return f"{result.message}\n{result.advice}"
