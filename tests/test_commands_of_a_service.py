"""The commands of a service work together: what one makes, the next finds, on one database."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.template import Template
from tests.harness.running.developing import answers, call, developing
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.processes import still_alive
from tests.harness.running.services import Environments, Service
from tests.harness.updating.updates import replace

pytestmark = pytest.mark.slow

SERVICES: dict[str, Answers] = {
    "asyncpg": {},
    "aiosqlite": {"driver": "aiosqlite", "example": False},
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, template: Template, environments: Environments) -> Iterator[Service]:
    """An installed service, in a folder that PostgreSQL's user can enter."""
    answers = SERVICES[request.param]
    folder = Path(tempfile.mkdtemp(prefix="template-tests-"))
    folder.chmod(0o755)
    with environments.borrow(f"{answers.get('driver', 'asyncpg')}-{OWN_VERSION}") as environment:
        service = Service(template.render_to(folder / "service", answers), environment, answers=answers)
        service.install()
        yield service
    shutil.rmtree(folder)


def poe(service: Service, *words: str, expected: int | None = 0) -> str:
    """Run a command in a terminal that has set nothing, and return what it says."""
    return service.uv_run("poe", "--quiet", *words, expected=expected).output


def typed(service: Service, lines: str) -> str:
    """Type lines into `poe shell`."""
    command = f"printf '%s\\n' {shlex.quote(lines)} | uv run --no-sync poe --quiet shell"
    return service.run("sh", "-c", command, env=service.uv_variables).output


def test_commands_find_what_another_has_made(service: Service) -> None:
    on_postgres = service.answers.get("driver") != "aiosqlite"
    named = service.folder / ".data/dev.env"
    versions = service.folder / "src/app/migrations/versions"
    with developing(service) as (dev, base):
        assert named.exists() == on_postgres
        assert poe(service, "doctor").endswith(" ok, 0 with a problem, 0 not checked.\n")
        poe(service, "new", "parcels", "number:str:unique", "weight:decimal=9,3")
        dev.wait_for("/parcels answers 200", lambda: answers(f"{base}/parcels"))
        assert call(f"{base}/parcels", {"number": "P-1", "weight": "1.250"})[0] == 201

        assert "/parcels/{parcel_id}" in poe(service, "routes")
        query = ("psql", "-Atc") if on_postgres else ("sqlite",)
        assert poe(service, *query, "SELECT number FROM parcel").strip() == "P-1"
        said = typed(service, "for row in await db.execute(select(Parcel)): print(repr(row.number))\n\n1 / 0\n2 + 3")
        assert "'P-1'" in said
        assert "ZeroDivisionError" in said
        assert "parcel: 20 rows" in poe(service, "seed", "parcels", "20")
        assert len(call(f"{base}/parcels?limit=100")[1]["items"]) == 21
        assert ">>> 5\n" in said

        # What is in use is not taken back.
        said = poe(service, "new", "parcels", "--undo", expected=1)
        assert "uv run poe downgrade" in said
        assert len(said.splitlines()) == 1
        assert answers(f"{base}/parcels")
        poe(service, "downgrade")
        poe(service, "new", "parcels", "--undo")
        dev.wait_for("an end of /parcels", lambda: answers(f"{base}/health/ready") and not answers(f"{base}/parcels"))

        # A migration is run as it was when it appeared, and one that fails is tried again when it has been mended.
        assert "FAILED" not in poe(service, "revision", "of the owner")
        (revision,) = versions.glob("*_of_the_owner.py")
        dev.wait_for("the migration", lambda: re.search("Running upgrade .* of the owner", dev.output))
        done = '"""Apply the change."""\n'
        replace(revision, done, f'{done}    from alembic import op\n\n    op.execute("SELECT 1 / 0 AS nothing")\n')
        dev.wait_for("an advice", lambda: f"{revision.name} has changed." in dev.output)
        poe(service, "downgrade")
        replace(revision, "SELECT 1 / 0", "NONSENSE")
        dev.wait_for("a failure", lambda: "The migration failed. It is tried again" in dev.output)
        replace(revision, "NONSENSE AS nothing", "CREATE TABLE mended (id int)")
        dev.wait_for("a success", lambda: dev.output.count("Running upgrade") > 3)
        dev.wait_for("the service", lambda: answers(f"{base}/health/ready"))
        assert poe(service, *query, "SELECT count(*) FROM mended").strip() == "0"

        processes = dev.descendants()
        dev.signal(signal.SIGINT)
        assert still_alive(processes, 60) == [], dev.output
    assert not named.exists()


def test_commands_show_their_help_and_do_nothing_else(service: Service) -> None:
    on_postgres = service.answers.get("driver") != "aiosqlite"
    for command in ("dev", "new", "seed", "shell", "routes", "doctor", *(["migrations"] if on_postgres else [])):
        said = poe(service, command, "--help")
        assert said.startswith(f"usage: poe {command} ")
        assert "Migrating" not in said
    assert not service.folder.joinpath("app.db").exists()
    assert not service.folder.joinpath(".data").exists()


def test_shell_and_seed_use_the_database_or_say_what_they_need(service: Service) -> None:
    if service.answers.get("driver") == "aiosqlite":
        assert "There is no model yet" in poe(service, "seed")
        poe(service, "new", "notes", "title:str")
        assert "run `uv run poe migrate` first" in poe(service, "seed", expected=1)
        poe(service, "migrate")
        assert "note: 100 rows" in poe(service, "seed")
        assert "[(7,)]" in typed(service, "await db.execute(text('SELECT 7'))")
    else:
        for command in ("shell", "seed"):
            said = service.uv_run("poe", command, expected=1).output
            assert "DATABASE_URL" in said
            assert "Traceback" not in said
        elsewhere = {"DATABASE_URL": "postgresql://me:secret@db.example.com/app"}
        said = service.uv_run("poe", "--quiet", "seed", env=elsewhere, expected=1).output.strip()
        assert (
            said
            == "app on db.example.com does not look like one for development: --any-database fills it all the same."
        )
