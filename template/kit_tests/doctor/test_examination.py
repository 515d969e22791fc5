"""Checks run in their order, and what depends on one with a problem is left out and names it."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from app.kit.database.failures import DatabaseUnavailableError
from devtools.doctor.check import Check, Examination, Finding, Options, Result, examine, summary
from devtools.doctor.checks import CHECKS
from devtools.doctor.report import as_json, as_text
from kit_tests.support.doctor import TODAY, service_of
from kit_tests.support.settings import settings_for


def finding(message: str, advice: str | None = None) -> Callable[[Examination], Awaitable[Finding]]:
    async def find(_examination: Examination) -> Finding:
        return Finding(message, advice)

    return find


async def results_of(url: str, *checks: Check) -> list[Result]:
    async with AsyncExitStack() as stack:
        return await examine(checks, Examination(service_of(settings_for(url)), Options(), TODAY, stack))


async def failing(_examination: Examination) -> Finding:
    raise DatabaseUnavailableError("while asking") from TimeoutError("no\nanswer")


async def results(url: str) -> list[Result]:
    return await results_of(
        url,
        Check("first", "Something", finding("All is well.")),
        Check("second", "Another", finding("It is broken.\n- here", "Mend it.\nThen look again.")),
        Check("third", "What needs it", finding("Never said."), needs=("first", "second")),
        Check("fourth", "What needs that", finding("Never said."), needs=("third",)),
        Check("fifth", "What fails by itself", failing, needs=("first",)),
    )


async def test_check_is_left_out_because_of_the_first_that_failed(shared_database_url: str) -> None:
    found = await results(shared_database_url)
    assert [each.outcome for each in found] == ["ok", "problem", "not checked", "not checked", "problem"]
    assert found[2].message == found[3].message == "Not checked, because of `second`."
    assert found[4].message == "This could not be checked: TimeoutError: no answer"


async def test_text_has_a_line_for_each_check_and_a_summary(shared_database_url: str) -> None:
    assert as_text(await results(shared_database_url)).splitlines() == [
        "ok       first   All is well.",
        "PROBLEM  second  It is broken.",
        "                   - here",
        "                   Mend it.",
        "                   Then look again.",
        "-        third   Not checked, because of `second`.",
        "-        fourth  Not checked, because of `second`.",
        "PROBLEM  fifth   This could not be checked: TimeoutError: no answer",
        "                   Mend what the message names, and run `uv run poe doctor` again.",
        "",
        "5 checks: 1 ok, 2 with a problem, 2 not checked.",
    ]


async def test_json_has_an_object_for_each_check(shared_database_url: str) -> None:
    found = await results(shared_database_url)
    document = json.loads(as_json(found))
    assert document["ok"] is False
    assert document["checks"][1] == {
        "id": "second",
        "title": "Another",
        "outcome": "problem",
        "message": "It is broken.\n- here",
        "advice": "Mend it.\nThen look again.",
    }
    assert json.loads(as_json(found[:1])) == {"ok": True, "checks": [{**found[0]._asdict(), "advice": None}]}


def test_several_problems_are_one_finding_with_each_advice_once() -> None:
    assert summary([], otherwise="None.") == Finding("None.")
    several = [Finding("A.", "Do this."), Finding("B.", "Do that."), Finding("C.", "Do this.")]
    assert summary(several, otherwise="None.") == Finding("A. B. C.", "Do this.\nDo that.")


def test_each_check_needs_such_as_come_before_it() -> None:
    names = [check.id for check in CHECKS]
    assert len({*names}) == len(names)
    for place, check in enumerate(CHECKS):
        assert {*check.needs} <= {*names[:place]}
