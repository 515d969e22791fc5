"""What runs here, and how much it logs, where the settings have that served."""

from collections.abc import AsyncIterator

import pytest
import structlog

from app.kit.about import NAME, VERSION
from app.kit.database.schema import head_revisions
from kit_tests.support.application import Running, application, running
from kit_tests.support.items import VERSIONS
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings


@pytest.fixture
async def service(make_settings: MakeSettings) -> AsyncIterator[Running]:
    with captured_output():
        async with running(application(make_settings(info_enabled=True, log_level="INFO", commit="0815"))) as service:
            yield service


async def test_nothing_is_said_unless_that_is_set(make_settings: MakeSettings) -> None:
    async with running(application(make_settings())) as service:
        for path in ("/info", "/log-level"):
            assert_problem(await service.client.get(path), 404)
        assert not {"/info", "/log-level"} & (await service.client.get("/openapi.json")).json()["paths"].keys()


async def test_info_tells_what_runs(service: Running) -> None:
    said = (await service.client.get("/info")).json()
    assert (said["name"], said["version"], said["commit"]) == (NAME, VERSION, "0815")
    assert said["revisions"] == sorted(head_revisions(VERSIONS))
    assert said.keys() == {"name", "version", "commit", "revisions", "python", "driver", "pool"}


async def test_commit_that_the_build_did_not_say_is_none(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(info_enabled=True))) as service:
        assert (await service.client.get("/info")).json()["commit"] is None


async def test_level_is_changed_while_the_service_runs(service: Running) -> None:
    log = structlog.get_logger()

    def logged() -> list[str]:
        with captured_output() as output:
            log.debug("quiet")
            log.warning("loud")
        return [line["event"] for line in log_lines(output)]

    assert (await service.client.get("/log-level")).json() == {"level": "INFO"}
    assert logged() == ["loud"]
    for level, events in (("DEBUG", ["quiet", "loud"]), ("ERROR", []), ("INFO", ["loud"])):
        response = await service.client.put("/log-level", json={"level": level})
        assert (response.status_code, response.json()) == (200, {"level": level})
        assert (await service.client.get("/log-level")).json() == {"level": level}
        assert logged() == events


@pytest.mark.parametrize("wrong", [{"level": "LOUD"}, {"level": "debug"}, {}, {"level": "INFO", "more": 1}])
async def test_level_that_does_not_exist_is_refused(service: Running, wrong: dict[str, object]) -> None:
    assert_problem(await service.client.put("/log-level", json=wrong), 422, kind="validation")
    assert (await service.client.get("/log-level")).json() == {"level": "INFO"}
