"""What mypy, strict, finds in a service's code where an owner makes a mistake that a type can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import Combination
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.services import Environments, Service

SERVICE = Combination("asyncpg", "queue", "repository", example=True)

_IMPORTS = """\
from typing import NamedTuple

from sqlalchemy import insert, select

from app.heroes.models import Hero
from app.heroes.queries import CHANGE, CREATE, FIND, LIST, HeroRow
from app.heroes.repository import HeroRepository
from app.heroes.schemas import HeroCreate, HeroListParams
from app.kit.database.bulk import insert_many
from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.pagination import Page
from app.kit.database.query import Query, change_row
from app.kit.http.paging import PageParams
from app.settings import CurrentSettings
from app.teams.models import Team
from app.teams.repository import TeamRepository


class Pair(NamedTuple):
    id: int
    name: str


class Nullable(NamedTuple):
    id: int
    age: int


"""

MISTAKES = {
    "misspelt column of a row": (
        "async def read(database: CurrentDatabase) -> int:\n    return (await FIND.get(database, id=1)).verison\n",
        "attr-defined",
    ),
    "misspelt column of a row from a repository": (
        "async def read(database: CurrentDatabase) -> int:\n"
        "    return (await HeroRepository(database).get(1)).verison\n",
        "attr-defined",
    ),
    "row that may be missing": (
        "async def read(database: CurrentDatabase) -> int:\n    return (await FIND.first(database, id=1)).version\n",
        "union-attr",
    ),
    "columns in another order": ("PAIRS = Query(Pair, select(Hero.name, Hero.id))\n", "arg-type"),
    "missing column": ("PAIRS = Query(Pair, select(Hero.id))\n", "arg-type"),
    "nullable column": ("ROWS = Query(Nullable, select(Hero.id, Hero.age))\n", "arg-type"),
    "misspelt column of a model": ("PAIRS = Query(Pair, select(Hero.id, Hero.nmae))\n", "attr-defined"),
    "wrong type of a value": (
        "async def name(database: CurrentDatabase) -> str:\n    return (await FIND.get(database, id=1)).id\n",
        "return-value",
    ),
    "page of other rows": (
        "async def page(database: CurrentDatabase) -> Page[Pair]:\n"
        "    return await LIST.page(database, HeroListParams(limit=1))\n",
        "return-value",
    ),
    "parameters of another list": (
        "async def page(database: CurrentDatabase) -> Page[HeroRow]:\n"
        "    return await LIST.page(database, PageParams(limit=1))\n",
        "arg-type",
    ),
    "bulk insert in a reading session": (
        "async def add(session: ReadSession) -> int:\n    return await insert_many(session, Hero, [])\n",
        "arg-type",
    ),
    "change in a reading session": (
        "async def change(session: ReadSession, hero: HeroRow) -> HeroRow:\n"
        "    return await change_row(session, Hero, hero, {})\n",
        "arg-type",
    ),
    "change of what is found in a reading session": (
        "async def change(session: ReadSession) -> HeroRow:\n    return (await CHANGE.row(session, {}, id=1)).row\n",
        "arg-type",
    ),
    "misspelt column of a changed row": (
        "async def change(database: CurrentDatabase) -> int:\n"
        "    hero, is_changed = await CHANGE.row(database, {}, id=1)\n"
        "    return hero.verison if is_changed else 0\n",
        "attr-defined",
    ),
    "command in a reading session": (
        "async def add(session: ReadSession) -> HeroRow:\n    return await CREATE.one(session)\n",
        "arg-type",
    ),
    "repository that writes in a reading session": (
        "async def add(session: ReadSession, team: Team) -> Team:\n"
        "    return await TeamRepository(session).add(team)\n",
        "misc",
    ),
    "repository of rows that writes in a reading session": (
        "async def add(session: ReadSession, hero: HeroCreate) -> HeroRow:\n"
        "    return await HeroRepository(session).add(hero)\n",
        "misc",
    ),
    "commit before the end of a block": (
        "async def add(session: WriteSession, team: Team) -> None:\n"
        "    session.add(team)\n    await session.commit()\n",
        "misc",
    ),
    "rollback in place of an error": (
        "async def give_up(session: WriteSession) -> None:\n    await session.rollback()\n",
        "misc",
    ),
    "misspelt setting": (
        "async def level(settings: CurrentSettings) -> str:\n    return settings.log_levle\n",
        "attr-defined",
    ),
}

SOUND = """\
async def read(database: CurrentDatabase, session: ReadSession) -> list[Pair]:
    hero = await FIND.get(session, id=1)
    page: Page[HeroRow] = await LIST.page(database, HeroListParams(limit=hero.id))
    same: HeroRow = await HeroRepository(session).get(hero.id)
    ids: list[int] = await Query.of_values(select(Hero.id)).all(session)
    return await Query(Pair, select(Hero.id, Hero.name)).all(session) if ids and page.items and same else []


async def write(database: CurrentDatabase, session: WriteSession, team: Team) -> int:
    hero = await CREATE.one(session, name="Deadpond")
    changed: HeroRow = await change_row(database, Hero, hero, {"age": 1})
    await TeamRepository(session).add(team)
    found: HeroRow = (await CHANGE.row(session, {"age": 2}, versions=[changed.version], id=hero.id)).row
    await HeroRepository(session).delete(found.id, None)
    await HeroRepository(database).delete(found.id, {found.version})
    await insert_many(database, Hero, [{"name": found.name}])
    return await insert_many(session, Hero, [{"name": changed.name}])
"""


@pytest.fixture(scope="module")
def service(
    template: Template, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with its environment."""
    folder = template.render_to(tmp_path_factory.mktemp("typing") / "service", SERVICE.answers)
    with environments.borrow(f"{SERVICE.driver}-{OWN_VERSION}") as environment:
        service = Service(folder, environment)
        service.install()
        yield service


@pytest.fixture(scope="module")
def findings(service: Service, environments: Environments) -> dict[str, str]:
    """What mypy says of each mistake, found in one run."""
    for number, (code, _) in enumerate(MISTAKES.values()):
        Path(service.folder, "src/app", f"mistake_{number}.py").write_text(_IMPORTS + code, encoding="utf-8")
    Path(service.folder, "src/app/sound.py").write_text(_IMPORTS + SOUND, encoding="utf-8")
    with environments.mypy_cache() as cache:
        output = service.uv_run("mypy", "--cache-dir", str(cache), "src", expected=1).output
    found = {}
    for number, name in enumerate(MISTAKES):
        found[name] = "\n".join(re.findall(rf"^src/app/mistake_{number}\.py:.*$", output, re.MULTILINE))
    found["sound"] = "\n".join(re.findall(r"^src/app/sound\.py:.*$", output, re.MULTILINE))
    return found


@pytest.mark.types
@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_an_error_of_mypy(mistake: str, findings: dict[str, str]) -> None:
    code = MISTAKES[mistake][1]
    assert re.search(rf": error: .*\[({code})\]$", findings[mistake], re.MULTILINE), findings[mistake]


@pytest.mark.types
@pytest.mark.slow
def test_sound_code_has_no_error(findings: dict[str, str]) -> None:
    assert findings["sound"] == ""


@pytest.mark.types
@pytest.mark.slow
def test_one_file_alone_can_be_checked(service: Service, environments: Environments) -> None:
    """As editors and hooks do: without `py.typed` each import of the service would be an error."""
    with environments.mypy_cache() as cache:
        service.uv_run("mypy", "--cache-dir", str(cache), "tests/heroes/test_heroes.py")
