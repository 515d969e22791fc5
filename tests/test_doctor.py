"""`poe doctor` of an installed service: its exit code, its report, and a pooler that the service is not made for.

What each check finds is tested in the services themselves, by `kit_tests/doctor/`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import devtools, find_pgbouncer, scratch_database
from tests.harness.running.services import Environments, Service

pytestmark = pytest.mark.slow

SERVICES: dict[str, Answers] = {
    "asyncpg": {"driver": "asyncpg"},
    "psycopg": {"driver": "psycopg", "pool": "null", "example": False},
}

PARAMETERS = {
    "asyncpg": (
        "array_nulls, bytea_output, default_transaction_isolation, extra_float_digits, statement_timeout, lock_timeout,"
        " idle_in_transaction_session_timeout, IntervalStyle"
    ),
    "psycopg": "options",
}
"""What each service sends when it connects, and PgBouncer does not pass on."""


@pytest.fixture
def service(request: pytest.FixtureRequest, template: Template, environments: Environments) -> Iterator[Service]:
    """An installed service."""
    answers = SERVICES[request.param]
    folder = Path(tempfile.mkdtemp(prefix="template-tests-"))
    with environments.borrow(f"{request.param}-{OWN_VERSION}") as environment:
        service = Service(template.render_to(folder / "service", answers), environment, answers=answers)
        service.install()
        yield service
    shutil.rmtree(folder)


def doctor(service: Service, url: str, *words: str, expected: int) -> dict[str, Any]:
    """Run it; return what came of each check."""
    command = ("poe", "--quiet", "doctor", "--json", *words)
    output = service.uv_run(*command, env={"DATABASE_URL": url}, expected=expected).output
    document = json.loads(output)
    assert document["ok"] == (expected == 0)
    return {each.pop("id"): each for each in document["checks"]}


@pytest.mark.parametrize("service", ["asyncpg"], indirect=True)
def test_exit_code_and_document_say_whether_all_is_well(service: Service) -> None:
    with scratch_database() as url:
        found = doctor(service, url, expected=1)
        assert found["revisions"]["outcome"] == "problem"
        assert found["revisions"]["advice"]
        assert found["drift"] == {
            "title": "The schema is what the models say",
            "outcome": "not checked",
            "message": "Not checked, because of `revisions`.",
            "advice": None,
        }
        service.uv_run("alembic", "upgrade", "head", env={"DATABASE_URL": url})
        assert {each["outcome"] for each in doctor(service, url, expected=0).values()} == {"ok"}
        too_many = doctor(service, url, "--workers", "40", "--replicas", "25", expected=1)
        assert [name for name, each in too_many.items() if each["outcome"] == "problem"] == ["connections"]


@pytest.mark.parametrize("service", SERVICES, indirect=True)
@pytest.mark.skipif(find_pgbouncer() is None and "CI" not in os.environ, reason="There is no PgBouncer.")
def test_pooler_in_transaction_mode_is_told_to_a_service_with_a_pool_of_its_own(
    service: Service,
) -> None:
    pgbouncer = devtools("pgbouncer")
    with scratch_database() as url:
        server = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        login = {"user": server["user"], "password": server.get("password", "")}
        address = server["host"], int(server.get("port", "5432"))
        with pgbouncer.running(*address, **login) as bouncer:
            found = doctor(service, bouncer.url(server["dbname"]), expected=1)
            assert "is a pooler, which refuses what the service asks" in found["reachability"]["message"]
            assert found["role"]["message"] == "Not checked, because of `reachability`."
        ignored = {"ignore_startup_parameters": PARAMETERS[str(service.answers["driver"])]}
        with pgbouncer.running(*address, **login, options=ignored) as bouncer:
            found = doctor(service, bouncer.url(server["dbname"]), expected=1)
            assert "A pooler in transaction mode" in found["pooler"]["message"]
            assert found["role"]["message"] == "Not checked, because of `pooler`."
        with pgbouncer.running(*address, **login, options={**ignored, "pool_mode": "session"}) as bouncer:
            found = doctor(service, bouncer.url(server["dbname"]), expected=1)
            assert "A pooler in session mode passes on no statement_timeout, lock" in found["pooler"]["message"]
